#define LP_KERNEL_BASELINE
#define LP_KERNEL_TABLE kPathKernelBaseline
#include "optimizer/paths/path_kernel_body.inc"
