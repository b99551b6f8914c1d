// A stand-in for the NVIDIA driver, told by environment variables what to answer:
// FAKE_CUDA_VERSION (12040), FAKE_CUDA_INIT (a CUresult), FAKE_CUDA_GPUS (name|major|minor|GiB, separated by ';').
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const char* setting(const char* name) {
  const char* value = getenv(name);
  return value ? value : "";
}

static int field(int gpu, int number, char* out) {
  const char* at = setting("FAKE_CUDA_GPUS");
  for (; gpu > 0; gpu--) at = strchr(at, ';') + 1;
  for (; number > 0; number--) at = strchr(at, '|') + 1;
  size_t length = strcspn(at, "|;");
  memcpy(out, at, length);
  out[length] = 0;
  return atoi(out);
}

int cuDriverGetVersion(int* version) {
  *version = atoi(setting("FAKE_CUDA_VERSION"));
  return 0;
}

int cuInit(unsigned flags) { return flags ? 1 : atoi(setting("FAKE_CUDA_INIT")); }

int cuDeviceGetCount(int* count) {
  const char* gpus = setting("FAKE_CUDA_GPUS");
  *count = *gpus != 0;
  for (; *gpus; gpus++) *count += *gpus == ';';
  return 0;
}

int cuDeviceGet(int* device, int number) {
  *device = number;
  return 0;
}

int cuDeviceGetName(char* name, int length, int device) {
  (void)length;
  field(device, 0, name);
  return 0;
}

int cuDeviceTotalMem_v2(size_t* bytes, int device) {
  char text[256];
  *bytes = (size_t)field(device, 3, text) << 30;
  return 0;
}

int cuDeviceGetAttribute(int* value, int attribute, int device) {
  char text[256];
  *value = field(device, attribute == 75 ? 1 : 2, text);
  return 0;
}

int cuGetErrorName(int status, const char** name) {
  *name = status == 803 ? "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH" : NULL;
  return *name == NULL;
}
