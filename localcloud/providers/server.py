"""Starts a provider plugin: the engine gives its address, the plugin prints its port."""

import argparse
import os
import signal
import sys
import threading
from concurrent import futures

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from localcloud.providers.servicer import Package, Servicer

MAX_MESSAGE_BYTES = 400 * 1024 * 1024
WORKERS = 64
GRACE_SECONDS = 2.0
PARENT_CHECK_SECONDS = 1.0


def main(package: Package) -> None:
    """Serves a package until the engine ends the process."""
    engine = os.getppid()
    parser = argparse.ArgumentParser(description=f"Pulumi provider plugin for {package.name} (gRPC server)")
    parser.add_argument("--version", action="version", version=package.marked_version)
    parser.add_argument("engine", nargs="?", help="the engine's address; given by the engine")
    parser.parse_known_args()
    options = [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ]
    # Each operation waits in a thread of its own, so there must be more of them than resources made side by side.
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=WORKERS), options=options)
    servicer = Servicer(package)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    ended = threading.Event()
    # The engine ends a plugin it is done with by an interrupt; one that takes its time is reported as broken.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    # An engine that is killed tells nobody; its plugins are handed to another parent.
    while not ended.wait(PARENT_CHECK_SECONDS) and os.getppid() == engine:
        pass
    servicer.cancel()
    server.stop(grace=GRACE_SECONDS).wait()
    # Whoever still waits for an API's answer would hold the process for as long as that takes.
    os._exit(0)
