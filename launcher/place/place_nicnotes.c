/* SPDX-License-Identifier: MIT */
/* place_nicnotes.c - what the user should know of the NICs of a machine: which are not used
 * and why, and where a rank has less than it could. */
#include "launcher/place/nicchoice.h"

/* "mlx5_2, mlx5_11" of those with this verdict; their number. */
static size_t list_names(const struct choice *c, enum fabric_verdict v, struct buf *b)
{
    size_t n = 0;
    b->len = 0;
    for (size_t i = 0; i < c->topo->n_nics; i++) {
        if (c->verdicts[i] == v)
            (void)buf_printf(b, "%s%s", n++ ? ", " : "", c->topo->nics[i].m->name);
    }
    return n;
}

static int note_left_out(struct choice *c, struct buf *b, struct err *e)
{
    uint32_t node = c->site->first_node;
    const struct fabric *f = &c->p->fabric;
    int rc = 0;
    if (list_names(c, FABRIC_LEFT_OUT, b) > 0)
        rc =
            place_note(c->p, node, e,
                       "%s: left out, for the job's fabric is %s of model %04x:%04x; "
                       "[bind] nic names what is wanted instead",
                       (char *)b->data, topo_nic_kind((Aolani__Nic__Kind)f->model.kind),
                       f->model.vendor, f->model.device);
    if (rc == 0 && list_names(c, FABRIC_SLOWER, b) > 0)
        rc = place_note(c->p, node, e,
                        "%s: left out, for most of the job's fabric runs at %llu Gb/s; "
                        "[bind] nic names what is wanted instead",
                        (char *)b->data, (unsigned long long)f->rate_mbits / 1000);
    if (rc == 0 && c->own_model)
        rc = place_note(c->p, node, e,
                        "it has other NICs than most of the job: none is a %04x:%04x",
                        f->model.vendor, f->model.device);
    return rc;
}

static int note_slow(struct choice *c, struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < c->topo->n_nics && rc == 0; i++) {
        const struct topo_nic *n = &c->topo->nics[i];
        if (c->slow[i])
            rc = place_compromise(
                c->p, c->site->first_node, "", e,
                "%s: at %llu Gb/s, and most of the job's fabric at %llu", n->m->name,
                (unsigned long long)fabric_rate(n) / 1000,
                (unsigned long long)c->p->fabric.rate_mbits / 1000);
    }
    return rc;
}

/* On the GPU's own switch, and nearer than what it has. */
static bool is_passed_over(const struct choice *c, const struct seeker *s, uint32_t nic)
{
    const struct topo_nic *n = &c->topo->nics[nic];
    if (c->verdicts[nic] != FABRIC_LEFT_OUT || topo_nic_port(n) < 0 ||
        (int)n->m->kind != c->p->fabric.model.kind)
        return false;
    struct topo_path path = topo_path_gpu_nic(c->topo, (uint32_t)s->gpu, nic);
    return path.level == TOPO_SWITCH && topo_path_compare(&path, &s->path) < 0;
}

/* A card of another model that was put in for one that broke is no front end. */
static int note_passed_over(struct choice *c, struct buf *b, struct err *e)
{
    struct rankset gpus = {0};
    int rc = 0;
    b->len = 0;
    for (uint32_t i = 0; i < c->site->n_ranks && c->n_nics > 0 && rc == 0; i++) {
        const struct seeker *s = &c->seekers[c->seeker_of[i]];
        for (uint32_t k = 0; k < c->topo->n_nics && s->gpu >= 0 && rc == 0; k++) {
            if (is_passed_over(c, s, k))
                rc = rankset_add(&gpus, (uint32_t)s->gpu);
        }
    }
    if (rc == 0)
        rc = rankset_format(&gpus, b);
    if (rc == 0 && b->len > 0)
        rc = place_compromise(
            c->p, c->site->first_node, "[bind] nic can name those that are wanted", e,
            "gpu %s: the NIC on its switch is of another model than the "
            "job's fabric, so it has one further away",
            (char *)b->data);
    rankset_fini(&gpus);
    return rc;
}

static int note_missing(struct choice *c, struct err *e)
{
    const struct strlist *missing = &c->p->fabric.missing;
    int rc = 0;
    for (size_t i = 0; i < missing->n && rc == 0; i++)
        rc = place_compromise(c->p, c->site->first_node, "", e,
                              "[bind] nic names \"%s\", and there is no such RDMA NIC",
                              missing->items[i]);
    return rc;
}

/* GPUs of the job whose NIC is further away than one that is down. */
static int find_worse(const struct choice *c, struct rankset *ret)
{
    int rc = 0;
    for (uint32_t i = 0; i < c->site->n_ranks && rc == 0; i++) {
        const struct seeker *s = &c->seekers[c->seeker_of[i]];
        if (s->gpu >= 0 && topo_path_compare(&s->before, &s->path) < 0)
            rc = rankset_add(ret, (uint32_t)s->gpu);
    }
    return rc;
}

/* Ports that are down: of no account, or what a rank goes a longer way for. */
static int note_down(struct choice *c, struct buf *b, struct err *e)
{
    uint32_t node = c->site->first_node;
    struct rankset worse = {0};
    struct buf gpus;
    if (list_names(c, FABRIC_DOWN, b) == 0)
        return 0;
    if (c->n_nics == 0)
        return place_compromise(c->p, node, "", e,
                                "%s: down, so there is no NIC to use", (char *)b->data);
    buf_init(&gpus, 1u << 16);
    int rc = find_worse(c, &worse);
    if (rc == 0)
        rc = rankset_format(&worse, &gpus);
    if (rc == 0 && gpus.len > 0)
        rc = place_compromise(c->p, node, "", e,
                              "%s: down, so the NIC of gpu %s is one further away",
                              (char *)b->data, (char *)gpus.data);
    else if (rc == 0)
        rc = place_note(c->p, node, e, "%s: down, not used", (char *)b->data);
    rankset_fini(&worse);
    buf_fini(&gpus);
    return rc;
}

static bool has_fabric(const struct choice *c)
{
    for (size_t i = 0; i < c->topo->n_nics; i++) {
        if (c->verdicts[i] == FABRIC_DOWN || c->verdicts[i] == FABRIC_USABLE)
            return true;
    }
    return false;
}

int nicchoice_tell(struct choice *c, struct err *e)
{
    uint32_t node = c->site->first_node;
    struct buf b;
    buf_init(&b, 1u << 16);
    int rc = note_missing(c, e);
    if (rc == 0)
        rc = note_left_out(c, &b, e);
    if (rc == 0)
        rc = note_passed_over(c, &b, e);
    if (rc == 0)
        rc = note_slow(c, e);
    if (rc == 0)
        rc = note_down(c, &b, e);
    if (rc == 0 && !c->p->fabric.none && !has_fabric(c))
        rc = place_compromise(c->p, node, "", e,
                              "no NIC of the job's fabric is there, so none is used");
    if (rc == 0 && c->topo->file_why)
        rc = place_note(c->p, node, e, "its topology file for NCCL is not used: %s",
                        c->topo->file_why);
    if (rc == 0 && c->p->plan->nodes[node].flat)
        rc = place_note(
            c->p, node, e,
            "every GPU is as near to every NIC as to the others: what belongs "
            "together is not known");
    buf_fini(&b);
    return rc;
}
