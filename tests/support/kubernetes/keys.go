package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// pair is where a certificate and its key lie.
type pair struct{ certificate, key string }

// keys are all key pairs of a run, signed by one authority; files of keys are 0600.
type keys struct {
	authority     pair
	server        pair   // kube-apiserver
	kubelet       pair   // the kubelet's API
	kubeletClient pair   // kube-apiserver when it calls the kubelet
	node          pair   // the stand-in when it calls kube-apiserver
	admin         pair   // system:masters
	gateway       pair   // may impersonate
	accounts      string // signs tokens of service accounts
}

type authority struct {
	folder      string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newKeys(dir string) (*keys, error) {
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	ca := &authority{folder: dir, key: signer}
	made := &keys{accounts: filepath.Join(dir, "service-accounts.key")}
	if made.authority, err = ca.sign("ca", pkix.Name{CommonName: "l7gw test cluster CA"}, nil); err != nil {
		return nil, err
	}
	masters := []string{"system:masters"}
	for _, one := range []struct {
		place   *pair
		stem    string
		subject pkix.Name
		names   []string
	}{
		{&made.server, "server", pkix.Name{CommonName: "kube-apiserver"}, []string{
			"127.0.0.1", serviceAddress, "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
		}},
		{&made.kubelet, "kubelet", pkix.Name{CommonName: nodeName}, []string{"127.0.0.1", "localhost", nodeName}},
		{&made.kubeletClient, "kubelet-client", pkix.Name{CommonName: "kube-apiserver-kubelet-client"}, nil},
		{&made.node, "node", pkix.Name{CommonName: "system:node:" + nodeName, Organization: masters}, nil},
		{&made.admin, "admin", pkix.Name{CommonName: "admin", Organization: masters}, nil},
		{&made.gateway, "gateway", pkix.Name{CommonName: gatewayUser}, nil},
	} {
		if *one.place, err = ca.sign(one.stem, one.subject, one.names); err != nil {
			return nil, err
		}
	}
	tokens, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return made, writeKey(made.accounts, tokens)
}

// sign makes a server's certificate where there are names, else a client's; the first one is the authority's own.
func (a *authority) sign(stem string, subject pkix.Name, names []string) (pair, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return pair{}, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               subject,
		NotBefore:             now.Add(-5 * time.Minute),
		NotAfter:              now.AddDate(0, 1, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}
	key := a.key
	parent := a.certificate
	if parent == nil {
		template.IsCA = true
		template.KeyUsage |= x509.KeyUsageCertSign
		parent = template
	} else {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		if len(names) > 0 {
			template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return pair{}, err
		}
	}
	for _, name := range names {
		if address := net.ParseIP(name); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), a.key)
	if err != nil {
		return pair{}, err
	}
	if a.certificate == nil {
		if a.certificate, err = x509.ParseCertificate(der); err != nil {
			return pair{}, err
		}
	}
	made := pair{filepath.Join(a.folder, stem+".crt"), filepath.Join(a.folder, stem+".key")}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(made.certificate, text, 0o644); err != nil {
		return pair{}, err
	}
	return made, writeKey(made.key, key)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}
