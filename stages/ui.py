"""`make ui`: bring the runs in MLflow up to date, then serve them on this machine until Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

from stages.errors import UserError, stage
from stages.tracking import STORE

HOST = "127.0.0.1"
EXAMPLE = "choose another, as in `make ui PORT=5001`"


@stage
def main() -> None:
    address = os.environ.get("MLFLOW_TRACKING_URI") or STORE
    port = "" if address.startswith("http") else free(sys.argv[1])  # before the runs are tracked, which takes a while
    if code := subprocess.run([sys.executable, "-m", "stages.track"], check=False).returncode:
        sys.exit(code)
    if port:
        serve(address, port)


def serve(address: str, port: str) -> None:
    """Run MLflow's server until it ends; Ctrl-C, which reaches it too, is the end that is meant."""
    interrupted = False

    def note(*_: object) -> None:
        nonlocal interrupted
        interrupted = True

    signal.signal(signal.SIGINT, note)
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", address, "--host", HOST, "--port", port]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    code = subprocess.Popen(command, env=os.environ | quiet).wait()
    sys.exit(0 if interrupted else code)


def free(port: str) -> str:
    """The port, if a server can listen on it. Raises `UserError` if not."""
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise UserError(f"PORT={port} is not a port: use a whole number from 1 to 65535; {EXAMPLE}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: a closed connection is no obstacle
        try:
            probe.bind((HOST, int(port)))
        except OSError as error:
            raise UserError(f"PORT={port} cannot be used: {error.strerror}; {EXAMPLE}") from None
    return port


if __name__ == "__main__":
    main()
