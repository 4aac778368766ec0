package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/embed"
	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"
)

const (
	gatewayUser    = "l7gw-gateway"
	serviceRange   = "10.0.0.0/24"
	serviceAddress = "10.0.0.1"
	startWithin    = 60 * time.Second // an idle machine needs two
)

// auditPolicy writes a line for every call when its answer starts (long ones) and when it is complete.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
`

// authenticationFile stands in DIR and is read again when it changes: a test writes its issuer there.
const (
	authenticationFile = "authentication.yaml"
	nobodysTokens      = `{"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": []}`
)

// startStorage runs an etcd of one member and returns its client URL.
func startStorage(dir string) (string, error) {
	config := embed.NewConfig()
	config.Dir = dir
	config.LogLevel = "error"
	config.UnsafeNoFsync = true // lives no longer than this process
	anyPort := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	config.ListenClientUrls, config.AdvertiseClientUrls = anyPort, anyPort
	config.ListenPeerUrls, config.AdvertisePeerUrls = anyPort, anyPort
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return "", err
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return "http://" + etcd.Clients[0].Addr().String(), nil
	case err := <-etcd.Err():
		return "", err
	case <-time.After(startWithin):
		return "", fmt.Errorf("not ready within %s", startWithin)
	}
}

// startAPIServer returns the address of a kube-apiserver that is starting; it ends with ctx, and tells stop when it fails.
func startAPIServer(
	ctx context.Context, stop context.CancelCauseFunc, keys *keys, storage, dir, auditLog, webhook string,
) (string, error) {
	policy := filepath.Join(dir, "audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return "", err
	}
	authentication := filepath.Join(dir, authenticationFile)
	if err := os.WriteFile(authentication, []byte(nobodysTokens), 0o600); err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := "https://" + listener.Addr().String()
	s := options.NewServerRunOptions()
	s.SecureServing.Listener = listener
	s.SecureServing.BindPort = listener.Addr().(*net.TCPAddr).Port
	flags := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	for _, set := range s.Flags().FlagSets {
		flags.AddFlagSet(set)
	}
	given := []string{
		"--etcd-servers=" + storage,
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none",
		"--tls-cert-file=" + keys.server.certificate,
		"--tls-private-key-file=" + keys.server.key,
		"--client-ca-file=" + keys.authority.certificate,
		"--service-account-issuer=" + server,
		"--service-account-key-file=" + keys.accounts,
		"--service-account-signing-key-file=" + keys.accounts,
		"--service-cluster-ip-range=" + serviceRange,
		"--authorization-mode=RBAC",
		"--authentication-config=" + authentication,
		"--allow-privileged=true",
		"--kubelet-certificate-authority=" + keys.authority.certificate,
		"--kubelet-client-certificate=" + keys.kubeletClient.certificate,
		"--kubelet-client-key=" + keys.kubeletClient.key,
		"--kubelet-preferred-address-types=InternalIP",
		"--audit-policy-file=" + policy,
		"--audit-log-path=" + auditLog,
		"--audit-log-maxsize=4096", // MiB: never rotated under a reader
		"--profiling=false",
	}
	if webhook != "" { // as EKS asks aws-iam-authenticator
		given = append(given,
			"--authentication-token-webhook-config-file="+webhook,
			"--authentication-token-webhook-version=v1",
		)
	}
	if err := flags.Parse(given); err != nil {
		return "", err
	}
	if err := s.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return "", err
	}
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	completed, err := s.Complete(ctx)
	if err != nil {
		return "", err
	}
	if problems := completed.Validate(); len(problems) > 0 {
		return "", utilerrors.NewAggregate(problems)
	}
	go func() {
		if err := app.Run(ctx, completed); err != nil && ctx.Err() == nil {
			stop(fmt.Errorf("kube-apiserver: %w", err))
		}
	}()
	return server, nil
}

// waitForAPI returns a client with the node's credential once the server is ready and the default namespace exists.
func waitForAPI(ctx context.Context, server string, keys *keys) (*kubernetes.Clientset, error) {
	client, err := kubernetes.NewForConfig(&rest.Config{
		Host:      server,
		QPS:       1000,
		Burst:     1000,
		UserAgent: "l7gw-test-node",
		TLSClientConfig: rest.TLSClientConfig{
			CAFile: keys.authority.certificate, CertFile: keys.node.certificate, KeyFile: keys.node.key,
		},
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		_, err := client.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		if err == nil {
			_, err = client.CoreV1().Namespaces().Get(ctx, "default", meta.GetOptions{})
		}
		if err == nil {
			return client, nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// allowGateway lets the gateway's certificate impersonate everybody: the tests, unlike a real deployment, want to see
// every identity that a gateway might present.
func allowGateway(ctx context.Context, client kubernetes.Interface) error {
	name := meta.ObjectMeta{Name: gatewayUser}
	role := &rbac.ClusterRole{ObjectMeta: name, Rules: []rbac.PolicyRule{
		{
			Verbs:     []string{"impersonate"},
			APIGroups: []string{""},
			Resources: []string{"users", "groups", "serviceaccounts"},
		},
		{
			Verbs:     []string{"impersonate"},
			APIGroups: []string{"authentication.k8s.io"},
			Resources: []string{"*"}, // userextras/ANY has no narrower wildcard
		},
	}}
	if _, err := client.RbacV1().ClusterRoles().Create(ctx, role, meta.CreateOptions{}); ignoreExists(err) != nil {
		return err
	}
	binding := &rbac.ClusterRoleBinding{
		ObjectMeta: name,
		RoleRef:    rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "ClusterRole", Name: gatewayUser},
		Subjects:   []rbac.Subject{{APIGroup: rbac.GroupName, Kind: rbac.UserKind, Name: gatewayUser}},
	}
	_, err := client.RbacV1().ClusterRoleBindings().Create(ctx, binding, meta.CreateOptions{})
	return ignoreExists(err)
}

func ignoreExists(err error) error {
	if errors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
