"""An embedded AWS cloud with a fleet of devices, for development, demos and end-to-end tests."""
