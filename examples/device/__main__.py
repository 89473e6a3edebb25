"""
Run the device until it is told to stop.

``python -m device --thing NAME --endpoint HOST --certificate FILE --key FILE``
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

from awsiot import mqtt5_client_builder

from .connection import MqttJobs
from .device import Device
from .disk import Disk
from .firmware import Firmware

LOG = logging.getLogger("device")
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
STOP_SECONDS = 5.0


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="device", description="Take jobs from AWS IoT.")
    parser.add_argument("--thing", required=True, help="the device's thing name")
    parser.add_argument("--endpoint", required=True, help="host name of AWS IoT")
    parser.add_argument("--port", type=int, default=8883, help="port of MQTT over TLS")
    parser.add_argument("--certificate", required=True, help="PEM file")
    parser.add_argument("--key", required=True, help="PEM file of the private key")
    parser.add_argument("--ca", help="PEM file of whom to trust; the system's own by default")
    parser.add_argument("--folder", type=Path, default=Path("state"), help="what survives a reboot")
    parser.add_argument("--hardware", default="A", help="what this device is")
    parser.add_argument("--step-seconds", type=float, default=1.0, help="how long a step takes")
    return parser.parse_args()


def main() -> str | None:
    """Run the device; return why it cannot go on, None if it was told to stop."""
    options = parse()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    # Blocked before any thread is there, so that the signal comes to the one that waits for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    disconnected = Event()
    mqtt = mqtt5_client_builder.mtls_from_path(
        cert_filepath=options.certificate,
        pri_key_filepath=options.key,
        ca_filepath=options.ca,
        endpoint=options.endpoint,
        port=options.port,
        client_id=options.thing,
        on_lifecycle_connection_failure=lambda failed: LOG.warning("%s", failed.exception),
        on_lifecycle_stopped=lambda _: disconnected.set(),
    )
    jobs = MqttJobs(mqtt, options.thing)
    disk = Disk(options.folder)
    firmware = Firmware(disk, hardware=options.hardware, step_seconds=options.step_seconds)
    device = Device(jobs, disk, firmware)
    mqtt.start()
    jobs.tell(device)
    with ThreadPoolExecutor(max_workers=1) as thread:
        running = thread.submit(device.run)
        running.add_done_callback(lambda _: os.kill(os.getpid(), signal.SIGTERM))
        signal.sigwait(STOP_SIGNALS)
        device.stop()
    mqtt.stop()
    disconnected.wait(STOP_SECONDS)
    return running.result()


if __name__ == "__main__":
    sys.exit(main())
