// All operations as one file: TensorFlow's headers take most of the time of a compilation.
#include "fused_bias_act.cc"
#include "styled_bias_act.cc"
#include "upfirdn_2d.cc"
#include "warp_2d.cc"
#include "worker_sum.cc"
