// begin_step: at the first step of an epoch, the keys of every replica's order. One thread a replica (blockIdx.y).
CAP_KERNEL(begin_step) {
  if (first_index() != 0) return;
  const int64_t per_epoch = (m->samples + m->batch - 1) / m->batch, epoch = m->step / per_epoch;
  Replica& r = m->replicas[replica()];
  if (r.epoch == epoch) return;
  r.epoch = epoch;
  r.order = make_permutation(r.seed, uint32_t(epoch), uint64_t(m->samples));
}
