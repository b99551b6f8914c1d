// end_step: counts the step. One thread.
CAP_KERNEL(end_step) {
  if (first_index() == 0 && replica() == 0) ++m->step;
}
