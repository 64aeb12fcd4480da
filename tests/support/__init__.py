"""What several tests use: servers, workers, gateways, browsers, files to read."""
