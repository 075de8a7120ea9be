# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
# gpus.bash - a node with two GPUs where there is none: after e2e.bash.

# two_gpus DIR: a folder for AOLANI_LIBDIR. The node is described as it is in DIR/facts; what
# `aolani-describe --gpus` would say of its GPUs, DIR/gpus.py says, which the test writes.
two_gpus()
{
    mkdir -p "$1"
    cat >"$1/facts" <<END
numa 0 package=0 cores=0-1 threads=1
bus 0000:10 at=numa:0
  bridge 10:1.0
    gpu 13:0.0 cuda0 nvml0
  bridge 10:2.0
    gpu 23:0.0 cuda1 nvml1
END
    "$root/tests/topology/facts2xml" "$1/facts" >"$1/xml"
    "$BUILD/aolani-describe" --xml "$1/xml" >"$1/message"
    cp "$BUILD"/aolani-agent "$BUILD"/libaolani.so.1 "$1/"
    cat >"$1/aolani-describe" <<END
#!/bin/sh
[ "\$1" = --gpus ] || exec cat "$1/message"
exec python3 "$1/gpus.py" "$1"
END
    chmod +x "$1/aolani-describe"
}
