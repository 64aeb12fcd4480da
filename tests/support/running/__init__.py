"""What tests start: servers, workers, gateways, proxies between them, clocks that are wrong."""
