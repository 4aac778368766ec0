//go:build tools

// Package helm holds nothing: the module pins which helm is built for the tests.
package helm

import _ "helm.sh/helm/v3/cmd/helm"
