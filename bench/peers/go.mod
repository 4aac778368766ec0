module l7gw-bench

go 1.26
