module l7gw.invalid/smuggling

go 1.26
