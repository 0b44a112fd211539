#define LP_KERNEL_AVX2
#define LP_KERNEL_TABLE kPathKernelAvx2
#include "optimizer/paths/path_kernel_body.inc"
