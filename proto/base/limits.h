/* SPDX-License-Identifier: MIT */
/* limits - every maximum of the project, each with its reason. */
#ifndef PROTO_BASE_LIMITS_H
#define PROTO_BASE_LIMITS_H

/* Files that users write. */
#define LIMIT_TOML_BYTES  (1u << 20) /* a job file is read whole into memory */
#define LIMIT_TOML_DEPTH  64u    /* nested arrays and tables: bounds the recursion */
#define LIMIT_TOML_ERRORS 50u    /* a broken file must not bury its first error */
#define LIMIT_HOSTS       65536u /* names that one host list may expand to */
#define LIMIT_HOST_NAME   255u   /* RFC 1123 */

/* A job. */
#define LIMIT_NODES       16384u
#define LIMIT_RANKS       262144u
#define LIMIT_LOCAL_RANKS 1024u /* ranks on one node */
#define LIMIT_CPUS        8192u /* cores of one node; Linux's own maximum */
#define LIMIT_ARGV        4096u
#define LIMIT_ADDRESSES   256u       /* of one node; each is compared with all others */
#define LIMIT_ENV         8192u      /* variables sent to a node */
#define LIMIT_ENV_BYTES   (6u << 20) /* of those; Linux gives a program no more */

/* A node's description; far more than the largest machine has. */
#define LIMIT_PACKAGES 256u
#define LIMIT_NUMA     1024u
#define LIMIT_PCI      8192u
#define LIMIT_GPUS     256u
#define LIMIT_NICS     256u
#define LIMIT_TOPOLOGY_BYTES \
    (768u << 10)                    /* one message has 1 MiB; 8192 CPUs take 120 kB */
#define LIMIT_XML_BYTES (16u << 20) /* hwloc's export of the largest has 2 MB */

/* NCCL. */
#define LIMIT_NCCL_BYTES (1u << 20)  /* of its topology file; the largest has 40 kB */
#define LIMIT_NCCL_NODES 4096u       /* elements in it; NCCL itself takes 256 */
#define LIMIT_NCCL_DEPTH 64u         /* of them in each other */
#define LIMIT_NCCL_SAID  (1u << 20)  /* of a rank's output, searched for its words */
#define LIMIT_NCCL_TOPO  (64u << 10) /* bytes of a provider's topology file for NCCL */
#define LIMIT_NVML_MS    15000u      /* NVML takes seconds to wake 16 GPUs */

/* What a node is told of the binding of its ranks. */
#define LIMIT_BIND_ENV    64u         /* variables; we know of a dozen */
#define LIMIT_BIND_VALUE  (64u << 10) /* bytes of one; UUIDs of 256 GPUs take 12 kB */
#define LIMIT_DEVICE_NAME 128u        /* bytes of a UUID or a NIC's name; NVML has 96 */

/* The starter of an agent. */
#define LIMIT_BOOT_BYTES (8u << 20) /* what it reads: the names of all nodes */
#define LIMIT_BOOT_NOISE (1u << 20) /* what start-up files may print before the agent */
#define LIMIT_SAID_LINE  4096u      /* longer ones are cut */
#define LIMIT_SAID_KEPT  16384u     /* of the last lines; a banner of ssh has 1 KB */

/* The wire. */
#define LIMIT_HANDSHAKE    512u         /* bytes in a frame before a peer is known */
#define LIMIT_FRAME        (8u << 20)   /* one message: a PMIx fence of a large job */
#define LIMIT_OUTPUT_CHUNK (256u << 10) /* output bytes in one message */
#define LIMIT_SEND_QUEUE   (64u << 20)  /* unacknowledged bytes kept for one peer */
#define LIMIT_PENDING_CONNS \
    1024u                              /* accepted connections that have not yet proved
                                          who they are */
#define LIMIT_PENDING_PER_ADDRESS 256u /* of one address; many nodes may share it */
#define LIMIT_PROVE_MS            10000u /* for a handshake, from the first byte to the last */
#define LIMIT_ACCEPTS_PER_TURN    64u /* before others have their turn again */
#define LIMIT_HELLO_BURST         128u /* of one node: an agent tries 64 addresses at once */
#define LIMIT_HELLO_EVERY_MS      100u /* after that; an exchange takes 0.1 ms */
#define LIMIT_BREACHES            20u  /* of one node in a row, then it is given up */
#define LIMIT_HELLOS_KEPT         16u  /* of one node, to know one that is repeated */
#define LIMIT_ANSWERS             (4u << 20) /* waiting for a peer that does not read */
#define LIMIT_BINDINGS            200u /* messages on one rank: one that drifts to and fro */
#define LIMIT_BINDING_CHECKS      8u    /* in one of them */
#define LIMIT_NODE_WARNINGS       1000u /* that agents may cause in a run's summary */
#define LIMIT_STEP_BATCH          4096u /* step records in one message */
#define LIMIT_COLL_TIMES          4096u /* collectives of one step of one rank */
#define LIMIT_COLL_CANDIDATES     8u    /* anchors that a rank speaks of at once */
#define LIMIT_RAS_TEXT            (64u * 1024) /* of NCCL's answer on a stall */
#define LIMIT_WAIT_CHANNEL        64u
#define LIMIT_STALL_PIDS          16u   /* processes of a rank that are told then */
#define LIMIT_SIGNALS_CPUS        8192u /* in one message of a node's signals */
#define LIMIT_SIGNALS_GPUS        256u
#define LIMIT_SIGNALS_PORTS       512u
#define LIMIT_SIGNALS_COUNT       (1ll << 48) /* of anything, in one interval */
#define LIMIT_SIGNALS_MHZ         60000
#define LIMIT_FAULTS              64u  /* kinds of errors of GPUs, in one interval */
#define LIMIT_FAULT_BUS           20u  /* "00010000:3b:00.0", with some room */
#define LIMIT_FAULT_TEXT          160u /* what the driver says of one */
#define LIMIT_CULPRITS            1000000u    /* records of late steps in the journal */
#define LIMIT_STDIN_CHUNK         (64u << 10) /* standard input in one message */
#define LIMIT_STDIN_WINDOW        (256u << 10) /* sent, and not yet taken by the rank */

/* PMIx. */
#define LIMIT_FENCES      1024u       /* collectives under way in a job at once */
#define LIMIT_FENCE_KEY   64u         /* bytes that name one collective */
#define LIMIT_FENCE_BYTES (64u << 20) /* parts kept at the head for all of them */
#define LIMIT_MODEX_GETS  65536u      /* key look-ups under way in a job at once */

/* A node's disk and memory. */
#define LIMIT_SPOOL_BYTES (1ull << 30) /* undelivered output kept for one stream */

/* The ranks' output at the head. */
#define LIMIT_OUTPUT_QUEUE (256u << 20) /* the first credit of very many nodes */
#define LIMIT_OPEN_OUTPUT  256u   /* of the usual 1024; agents' links need the rest */
#define LIMIT_FULL_DISK_MS 60000u /* to wait for room once the ranks have ended */

/* The journal. */
#define LIMIT_JOURNAL_RECORD (64u << 20) /* the summary of a very large job */
#define LIMIT_JOURNAL_QUEUE  (64u << 20) /* not yet written: the file system is stuck */

#endif
