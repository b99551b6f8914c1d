// begin_step: at the first step of a run, the keys of every replica's subset, and at the first of an epoch, of its
// order. One thread a replica (blockIdx.y).
CAP_KERNEL(begin_step) {
  if (first_index() != 0) return;
  Replica& r = m->replicas[replica()];
  const int64_t per_epoch = (r.samples + m->batch - 1) / m->batch, epoch = m->step / per_epoch;
  if (r.epoch == epoch) return;
  if (r.epoch < 0) r.subset = make_subset(r.subset_seed, r.samples, m->samples);
  r.epoch = epoch;
  r.order = make_permutation(r.seed, kPurposeOrder, uint32_t(epoch), uint64_t(r.samples));
}
