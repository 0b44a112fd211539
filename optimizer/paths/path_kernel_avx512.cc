#define LP_KERNEL_AVX512
#define LP_KERNEL_TABLE kPathKernelAvx512
#include "optimizer/paths/path_kernel_body.inc"
