package main

import (
	"context"
	"os"
	"slices"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	cached "k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/klog/v2"
	rootca "k8s.io/kubernetes/pkg/controller/certificates/rootcacertpublisher"
	"k8s.io/kubernetes/pkg/controller/daemon"
	"k8s.io/kubernetes/pkg/controller/deployment"
	"k8s.io/kubernetes/pkg/controller/disruption"
	gc "k8s.io/kubernetes/pkg/controller/garbagecollector"
	"k8s.io/kubernetes/pkg/controller/namespace"
	"k8s.io/kubernetes/pkg/controller/replicaset"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
	"k8s.io/kubernetes/pkg/controller/statefulset"
)

const (
	controllerWorkers = 2
	namespaceWorkers  = 8              // kube-controller-manager has ten; each waits for many calls
	resyncEvery       = 12 * time.Hour // kube-controller-manager's default
	discoverEvery     = 5 * time.Second
)

// runControllers runs the controllers of kube-controller-manager that tests rely on, as they are there, until ctx ends. It returns
// when namespaces have the account that the admission of a pod asks for.
func runControllers(ctx context.Context, server string, keys *keys) error {
	config := &rest.Config{
		Host:      server,
		QPS:       1000,
		Burst:     1000,
		UserAgent: "l7gw-test-controllers",
		TLSClientConfig: rest.TLSClientConfig{
			CAFile: keys.authority.certificate, CertFile: keys.node.certificate, KeyFile: keys.node.key,
		},
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	objects, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	typed := informers.NewSharedInformerFactory(client, resyncEvery)
	bare := metadatainformer.NewSharedInformerFactory(objects, resyncEvery)
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(cached.NewMemCacheClient(client.Discovery()))
	go wait.Until(mapper.Reset, discoverEvery, ctx.Done())

	started := make(chan struct{})
	loops, err := workloads(ctx, config, client, typed, mapper)
	if err != nil {
		return err
	}
	cleaning, err := cleaners(ctx, client, objects, typed, bare, started, mapper)
	if err != nil {
		return err
	}
	furnishing, err := furnishers(ctx, client, typed, keys)
	if err != nil {
		return err
	}
	typed.Start(ctx.Done())
	bare.Start(ctx.Done())
	close(started)
	for _, loop := range slices.Concat(loops, cleaning, furnishing) {
		go loop(ctx)
	}
	return waitForAccount(ctx, client)
}

type loop = func(context.Context)

// workloads are the controllers of what makes pods, and of disruption budgets.
func workloads(
	ctx context.Context, config *rest.Config, client kubernetes.Interface, typed informers.SharedInformerFactory,
	mapper *restmapper.DeferredDiscoveryRESTMapper,
) ([]loop, error) {
	apps, pods := typed.Apps().V1(), typed.Core().V1().Pods()
	deployments, err := deployment.NewDeploymentController(ctx, apps.Deployments(), apps.ReplicaSets(), pods, client)
	if err != nil {
		return nil, err
	}
	daemons, err := daemon.NewDaemonSetsController(
		ctx, apps.DaemonSets(), apps.ControllerRevisions(), pods, typed.Core().V1().Nodes(), client,
		flowcontrol.NewBackOff(time.Second, 15*time.Minute),
	)
	if err != nil {
		return nil, err
	}
	replicas := replicaset.NewReplicaSetController(ctx, apps.ReplicaSets(), pods, client, replicaset.BurstReplicas)
	stateful := statefulset.NewStatefulSetController(
		ctx, pods, apps.StatefulSets(), typed.Core().V1().PersistentVolumeClaims(), apps.ControllerRevisions(), client,
	)
	kinds := scale.NewDiscoveryScaleKindResolver(client.Discovery())
	scales, err := scale.NewForConfig(config, mapper, dynamic.LegacyAPIPathResolverFunc, kinds)
	if err != nil {
		return nil, err
	}
	budgets := disruption.NewDisruptionController(
		ctx, pods, typed.Policy().V1().PodDisruptionBudgets(), typed.Core().V1().ReplicationControllers(), apps.ReplicaSets(),
		apps.Deployments(), apps.StatefulSets(), client, mapper, scales, client.Discovery(),
	)
	return []loop{
		func(ctx context.Context) { deployments.Run(ctx, controllerWorkers) },
		func(ctx context.Context) { daemons.Run(ctx, controllerWorkers) },
		func(ctx context.Context) { replicas.Run(ctx, controllerWorkers) },
		func(ctx context.Context) { stateful.Run(ctx, controllerWorkers) },
		budgets.Run,
	}, nil
}

// cleaners are the controllers that remove what belongs to nobody any more.
func cleaners(
	ctx context.Context, client kubernetes.Interface, objects metadata.Interface, typed informers.SharedInformerFactory,
	bare metadatainformer.SharedInformerFactory, started <-chan struct{}, mapper *restmapper.DeferredDiscoveryRESTMapper,
) ([]loop, error) {
	both := informerfactory.NewInformerFactory(typed, bare)
	graph := gc.NewDependencyGraphBuilder(ctx, objects, mapper, gc.DefaultIgnoredResources(), both, started)
	garbage, err := gc.NewComposedGarbageCollector(ctx, client, objects, mapper, graph)
	if err != nil {
		return nil, err
	}
	namespaces := namespace.NewNamespaceController(
		ctx, client, objects, client.Discovery().ServerPreferredNamespacedResources, typed.Core().V1().Namespaces(),
		resyncEvery, core.FinalizerKubernetes,
	)
	return []loop{
		func(ctx context.Context) { garbage.Run(ctx, controllerWorkers, discoverEvery) },
		func(ctx context.Context) { garbage.Sync(ctx, client.Discovery(), discoverEvery) },
		func(ctx context.Context) { namespaces.Run(ctx, namespaceWorkers) },
	}, nil
}

// furnishers are the controllers that give a new namespace what the admission of a pod asks for, and what its token needs.
func furnishers(
	ctx context.Context, client kubernetes.Interface, typed informers.SharedInformerFactory, keys *keys,
) ([]loop, error) {
	authority, err := os.ReadFile(keys.authority.certificate)
	if err != nil {
		return nil, err
	}
	spaces := typed.Core().V1().Namespaces()
	accounts, err := serviceaccount.NewServiceAccountsController(
		klog.FromContext(ctx), typed.Core().V1().ServiceAccounts(), spaces, client,
		serviceaccount.DefaultServiceAccountsControllerOptions(),
	)
	if err != nil {
		return nil, err
	}
	authorities, err := rootca.NewPublisher(typed.Core().V1().ConfigMaps(), spaces, client, authority)
	if err != nil {
		return nil, err
	}
	return []loop{
		func(ctx context.Context) { accounts.Run(ctx, controllerWorkers) },
		func(ctx context.Context) { authorities.Run(ctx, controllerWorkers) },
	}, nil
}

// waitForAccount waits until the default namespace has its account.
func waitForAccount(ctx context.Context, client kubernetes.Interface) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	return wait.PollUntilContextCancel(ctx, 20*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		_, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", meta.GetOptions{})
		return err == nil, nil
	})
}
