#include "ctrl/daemon/avx512_build.h"

#include <unistd.h>

#include <filesystem>

namespace sluice::ctrl {

void become_avx512_build(char** argv) {
#ifndef __AVX512VL__
  if (!__builtin_cpu_supports("x86-64-v4")) return;
  std::error_code unreadable;
  const auto own = std::filesystem::read_symlink("/proc/self/exe", unreadable);
  if (unreadable) return;  // or it would be looked for from the working directory
  const auto program = own.parent_path() / "../libexec/sluice/avx512/sluiced";
  ::execv(program.c_str(), argv);
#else
  (void)argv;
#endif
}

}  // namespace sluice::ctrl
