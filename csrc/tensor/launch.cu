// The kernels of tensor_product.cuh, compiled by nvcc, and how the host launches them.
#include <cuda_runtime_api.h>

#include "tensor_product.cuh"

namespace cap {

using namespace CAP_PATH;

template <class Math, bool backward>
__global__ void __launch_bounds__(kTensorThreads) tensor_kernel(const TensorProduct p) {
  tensor_product<Math, backward>(p);
}

LaunchError launch_tensor_product(const TensorProduct& product, Precision precision, bool backward, int replicas,
                                  void* stream) {
  void (*const kernels[2][2])(TensorProduct) = {{tensor_kernel<Tf32, false>, tensor_kernel<Tf32, true>},
                                                {tensor_kernel<Bf16, false>, tensor_kernel<Bf16, true>}};
  const dim3 grid(unsigned(tensor_blocks(product.m, product.n)), unsigned(replicas));
  kernels[int(precision)][backward]<<<grid, kTensorThreads, 0, static_cast<cudaStream_t>(stream)>>>(product);
  const cudaError_t error = cudaGetLastError();
  if (error == cudaSuccess) return {};
  return {cudaGetErrorName(error), cudaGetErrorString(error)};
}

}  // namespace cap
