"""Starts a provider plugin: the engine gives its address, the plugin prints its port."""

import argparse
import signal
import sys
from concurrent import futures

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from localcloud.providers.servicer import Package, Servicer

MAX_MESSAGE_BYTES = 400 * 1024 * 1024
WORKERS = 64


def main(package: Package) -> None:
    """Serves a package until the engine ends the process."""
    parser = argparse.ArgumentParser(description=f"Pulumi provider plugin for {package.name} (gRPC server)")
    parser.add_argument("engine", nargs="?", help="the engine's address; given by the engine")
    parser.parse_known_args()
    options = [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ]
    # Each operation waits in a thread of its own, so there must be more of them than resources made side by side.
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=WORKERS), options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(package), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    server.wait_for_termination()
