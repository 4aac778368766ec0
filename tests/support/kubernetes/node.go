package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/component-base/version"
)

const (
	nodeName    = "l7gw-test-node"
	nodeAddress = "127.0.0.1"
	syncWorkers = 4
)

// node is scheduler and kubelet in one: every pod is bound to it, run by its machine, and reported.
type node struct {
	client  kubernetes.Interface
	machine *machine
	pods    listers.PodLister
	queue   workqueue.TypedRateLimitingInterface[cache.ObjectName]
}

// runNode registers the node and runs it in the background until ctx ends.
func runNode(ctx context.Context, client kubernetes.Interface, m *machine, port int) error {
	if err := register(ctx, client, port); err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	pods := factory.Core().V1().Pods()
	n := &node{
		client:  client,
		machine: m,
		pods:    pods.Lister(),
		queue: workqueue.NewTypedRateLimitingQueue(
			workqueue.NewTypedItemExponentialFailureRateLimiter[cache.ObjectName](10*time.Millisecond, time.Second),
		),
	}
	m.changed = func(namespace, name string) { n.queue.Add(cache.NewObjectName(namespace, name)) }
	enqueue := func(object any) {
		if name, err := cache.DeletionHandlingObjectToName(object); err == nil {
			n.queue.Add(name)
		}
	}
	_, err := pods.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: enqueue, UpdateFunc: func(_, object any) { enqueue(object) }, DeleteFunc: enqueue,
	})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), pods.Informer().HasSynced) {
		return ctx.Err()
	}
	for range syncWorkers {
		go n.work(ctx)
	}
	return nil
}

func register(ctx context.Context, client kubernetes.Interface, port int) error {
	created, err := client.CoreV1().Nodes().Create(ctx, &core.Node{ObjectMeta: meta.ObjectMeta{
		Name: nodeName, Labels: map[string]string{core.LabelHostname: nodeName, core.LabelOSStable: "linux"},
	}}, meta.CreateOptions{})
	if err != nil {
		return err
	}
	now := meta.Now()
	room := core.ResourceList{
		core.ResourceCPU:    resource.MustParse("8"),
		core.ResourceMemory: resource.MustParse("16Gi"),
		core.ResourcePods:   resource.MustParse("500"),
	}
	created.Status = core.NodeStatus{
		Capacity:    room,
		Allocatable: room,
		Addresses: []core.NodeAddress{
			{Type: core.NodeInternalIP, Address: nodeAddress}, {Type: core.NodeHostName, Address: nodeName},
		},
		DaemonEndpoints: core.NodeDaemonEndpoints{KubeletEndpoint: core.DaemonEndpoint{Port: int32(port)}},
		NodeInfo: core.NodeSystemInfo{
			KubeletVersion: version.Get().GitVersion, ContainerRuntimeVersion: "l7gw://1", OperatingSystem: "linux",
		},
		Conditions: []core.NodeCondition{{
			Type: core.NodeReady, Status: core.ConditionTrue, Reason: "KubeletReady", Message: "a stand-in",
			LastHeartbeatTime: now, LastTransitionTime: now,
		}},
	}
	if created, err = client.CoreV1().Nodes().UpdateStatus(ctx, created, meta.UpdateOptions{}); err != nil {
		return err
	}
	created.Spec.Taints = nil // admission taints a new node as not ready; no controller would take that back
	_, err = client.CoreV1().Nodes().Update(ctx, created, meta.UpdateOptions{})
	return err
}

func (n *node) work(ctx context.Context) {
	for {
		name, down := n.queue.Get()
		if down || ctx.Err() != nil {
			return
		}
		err := n.sync(ctx, name)
		n.queue.Done(name)
		if err == nil || errors.IsNotFound(err) {
			n.queue.Forget(name)
		} else {
			n.queue.AddRateLimited(name) // a conflict: what is newer is on its way
		}
	}
}

// sync brings the machine in line with one pod, and the pod's status with the machine.
func (n *node) sync(ctx context.Context, name cache.ObjectName) error {
	pod, err := n.pods.Pods(name.Namespace).Get(name.Name)
	if errors.IsNotFound(err) {
		n.machine.removeAllBut(name.Namespace, name.Name, "")
		return nil
	}
	if err != nil {
		return err
	}
	n.machine.removeAllBut(pod.Namespace, pod.Name, pod.UID)
	api := n.client.CoreV1().Pods(pod.Namespace)
	switch pod.Spec.NodeName {
	case "":
		return api.Bind(ctx, &core.Binding{
			ObjectMeta: meta.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID},
			Target:     core.ObjectReference{Kind: "Node", Name: nodeName},
		}, meta.CreateOptions{})
	case nodeName:
	default:
		return nil
	}
	if pod.DeletionTimestamp == nil {
		if err := n.machine.ensure(pod); err != nil {
			return err
		}
	} else if !n.machine.ended(pod.UID) {
		n.machine.end(pod.UID, time.Duration(*pod.DeletionGracePeriodSeconds)*time.Second)
	}
	status := n.machine.status(pod)
	if !equality.Semantic.DeepEqual(status, pod.Status) {
		reported := pod.DeepCopy()
		reported.Status = status
		if _, err := api.UpdateStatus(ctx, reported, meta.UpdateOptions{}); err != nil {
			return err
		}
	}
	if pod.DeletionTimestamp != nil && n.machine.ended(pod.UID) {
		now := meta.DeleteOptions{GracePeriodSeconds: new(int64), Preconditions: meta.NewUIDPreconditions(string(pod.UID))}
		return api.Delete(ctx, pod.Name, now)
	}
	return nil
}

// status is what a kubelet would report of the pod now.
func (m *machine) status(pod *core.Pod) core.PodStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	status := *pod.Status.DeepCopy()
	run := m.pods[pod.UID]
	if run == nil {
		return status
	}
	status.HostIP, status.HostIPs = nodeAddress, []core.HostIP{{IP: nodeAddress}}
	status.PodIP, status.PodIPs = nodeAddress, []core.PodIP{{IP: nodeAddress}}
	status.ContainerStatuses, status.EphemeralContainerStatuses, status.InitContainerStatuses = nil, nil, nil
	ready, over, failed := true, true, false
	for _, spec := range pod.Spec.Containers {
		c := run.containers[spec.Name]
		status.ContainerStatuses = append(status.ContainerStatuses, c.status(run, spec.Name, spec.Image))
		ready = ready && c.finished.IsZero()
		over = over && !c.finished.IsZero() && !c.waiting
		failed = failed || !c.finished.IsZero() && c.code != 0
		if status.StartTime == nil {
			status.StartTime = &meta.Time{Time: c.started.Truncate(time.Second)}
		}
	}
	for _, spec := range pod.Spec.EphemeralContainers {
		if c := run.containers[spec.Name]; c != nil {
			one := c.status(run, spec.Name, spec.Image)
			one.Ready = false // a kubelet calls them so
			status.EphemeralContainerStatuses = append(status.EphemeralContainerStatuses, one)
		}
	}
	for _, spec := range pod.Spec.InitContainers { // not run: they count as done
		status.InitContainerStatuses = append(status.InitContainerStatuses, core.ContainerStatus{
			Name: spec.Name, Image: spec.Image, Ready: true,
			State: core.ContainerState{Terminated: &core.ContainerStateTerminated{Reason: "Completed"}},
		})
	}
	switch {
	case over && failed:
		status.Phase = core.PodFailed
	case over:
		status.Phase = core.PodSucceeded
	default:
		status.Phase = core.PodRunning
	}
	reason := ""
	if !ready {
		reason = "ContainersNotReady"
	}
	for _, one := range []struct {
		kind   core.PodConditionType
		yes    bool
		reason string
	}{
		{core.PodReadyToStartContainers, true, ""},
		{core.PodInitialized, true, ""},
		{core.ContainersReady, ready, reason},
		{core.PodReady, ready, reason},
	} {
		setCondition(&status, one.kind, one.yes, one.reason)
	}
	return status
}

func setCondition(status *core.PodStatus, kind core.PodConditionType, yes bool, reason string) {
	value := core.ConditionFalse
	if yes {
		value = core.ConditionTrue
	}
	fresh := core.PodCondition{Type: kind, Status: value, Reason: reason, LastTransitionTime: meta.Now().Rfc3339Copy()}
	for i, old := range status.Conditions {
		if old.Type == kind {
			if old.Status != value || old.Reason != reason {
				fresh.ObservedGeneration = old.ObservedGeneration
				status.Conditions[i] = fresh
			}
			return
		}
	}
	status.Conditions = append(status.Conditions, fresh)
}

func (c *containerRun) status(pod *podRun, name, image string) core.ContainerStatus {
	running := c.finished.IsZero()
	digest := sha256.Sum256([]byte(image))
	one := core.ContainerStatus{
		Name: name, Image: image, ImageID: image + "@sha256:" + hex.EncodeToString(digest[:]),
		ContainerID: c.id(pod, c.restarts), RestartCount: c.restarts, Ready: running, Started: &running,
	}
	switch {
	case running:
		one.State.Running = &core.ContainerStateRunning{StartedAt: second(c.started)}
	case c.waiting:
		one.State.Waiting = &core.ContainerStateWaiting{Reason: "CrashLoopBackOff"}
		one.LastTerminationState.Terminated = c.terminated(pod)
	default:
		one.State.Terminated = c.terminated(pod)
	}
	return one
}

func (c *containerRun) terminated(pod *podRun) *core.ContainerStateTerminated {
	reason := "Completed"
	switch {
	case c.failure != "":
		reason = "StartError"
	case c.code != 0:
		reason = "Error"
	}
	return &core.ContainerStateTerminated{
		ExitCode: int32(c.code), Reason: reason, Message: c.failure, ContainerID: c.id(pod, c.restarts),
		StartedAt: second(c.started), FinishedAt: second(c.finished),
	}
}

func (c *containerRun) id(pod *podRun, run int32) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", pod.uid, c.spec.Name, run))
	return "containerd://" + hex.EncodeToString(sum[:])
}

// second is the precision in which the API keeps times.
func second(t time.Time) meta.Time { return meta.NewTime(t.Truncate(time.Second)) }
