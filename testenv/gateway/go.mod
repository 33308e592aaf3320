module bailiwick.dev/testenv/gateway

go 1.26.6

// The CustomResourceDefinitions of the Gateway API, as files: nothing of it is built. Version 1.7 takes Go 1.27.
require sigs.k8s.io/gateway-api v1.6.3 // indirect
