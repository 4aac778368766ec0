module l7gw-test-tls

go 1.26.0
