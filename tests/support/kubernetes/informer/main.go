// Command informer keeps a copy of a namespace's ConfigMaps by client-go's informer while it changes a thousand of them, all by one
// kubeconfig, and says whether the copy became what another kubeconfig's client lists in the end.
//
//	informer KUBECONFIG OTHER NAMESPACE
//
// Every watch is ended by the server after a second, so that the informer has to go on from where it was many times over.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"sync"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	objects   = 1000
	writers   = 8
	patience  = 60 * time.Second
	watchEnds = int64(1) // seconds
)

func main() {
	do, arguments := run, os.Args[1:]
	if arguments[0] == "write-back" {
		do, arguments = writeBack, arguments[1:]
	}
	if err := do(arguments[0], arguments[1], arguments[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(kubeconfig, other, namespace string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client, err := clientOf(kubeconfig)
	if err != nil {
		return err
	}
	judge, err := clientOf(other)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace),
		informers.WithTweakListOptions(func(options *meta.ListOptions) {
			seconds := watchEnds
			options.TimeoutSeconds = &seconds
		}))
	configMaps := factory.Core().V1().ConfigMaps()
	informer := configMaps.Informer()
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return fmt.Errorf("the informer did not synchronise")
	}
	if err := change(ctx, client, namespace); err != nil {
		return err
	}
	listed, err := judge.CoreV1().ConfigMaps(namespace).List(ctx, meta.ListOptions{})
	if err != nil {
		return err
	}
	wanted := map[string]string{}
	for _, one := range listed.Items {
		wanted[one.Name] = one.ResourceVersion
	}
	for {
		kept, err := configMaps.Lister().List(labels.Everything())
		if err != nil {
			return err
		}
		found := map[string]string{}
		for _, one := range kept {
			found[one.Name] = one.ResourceVersion
		}
		if maps.Equal(found, wanted) {
			fmt.Println(len(found))
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the informer has %d objects, the API server %d, and they are not the same", len(found), len(wanted))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func clientOf(kubeconfig string) (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1 // as fast as it goes
	config.UserAgent = "l7gw-test-informer"
	return kubernetes.NewForConfig(config)
}

// change makes a thousand objects, changes all but every third, and deletes those.
func change(ctx context.Context, client *kubernetes.Clientset, namespace string) error {
	numbers := make(chan int)
	failures := make(chan error, writers)
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for number := range numbers {
				if err := changeOne(ctx, client, namespace, number); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	var failure error
	for number := 0; number < objects && failure == nil; number++ {
		select {
		case numbers <- number:
		case failure = <-failures:
		}
	}
	close(numbers)
	all.Wait()
	close(failures)
	if failure == nil {
		failure = <-failures // nil where there is none
	}
	return failure
}

func changeOne(ctx context.Context, client *kubernetes.Clientset, namespace string, number int) error {
	configMaps := client.CoreV1().ConfigMaps(namespace)
	made, err := configMaps.Create(ctx, &core.ConfigMap{
		ObjectMeta: meta.ObjectMeta{Name: fmt.Sprintf("object-%03d", number)},
		Data:       map[string]string{"a": "b"},
	}, meta.CreateOptions{})
	if err != nil {
		return err
	}
	if number%3 == 0 {
		return configMaps.Delete(ctx, made.Name, meta.DeleteOptions{})
	}
	made.Data["a"] = "c"
	_, err = configMaps.Update(ctx, made, meta.UpdateOptions{})
	return err
}
