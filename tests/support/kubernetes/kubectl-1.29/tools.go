//go:build tools

// Package kubectl holds nothing: the module pins which kubectl is built for the tests.
package kubectl

import _ "k8s.io/kubernetes/cmd/kubectl"
