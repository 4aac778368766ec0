package main

import (
	"context"
	"fmt"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/retry"
)

// writeBack reads a Secret out of an informer's copy, as a controller does, gives it a label and a value, and updates it whole: in
// protobuf, the clientset's own choice.
//
//	informer write-back KUBECONFIG NAMESPACE NAME
func writeBack(kubeconfig, namespace, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client, err := clientOf(kubeconfig)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace))
	secrets := factory.Core().V1().Secrets()
	synced := secrets.Informer().HasSynced
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), synced) {
		return fmt.Errorf("the informer did not synchronise")
	}
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		kept, err := secrets.Lister().Secrets(namespace).Get(name)
		if err != nil {
			return err
		}
		changed := kept.DeepCopy()
		changed.Labels = map[string]string{"written": "back"}
		changed.Data["more"] = []byte("new")
		_, err = client.CoreV1().Secrets(namespace).Update(ctx, changed, meta.UpdateOptions{})
		return err
	})
}
