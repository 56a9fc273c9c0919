// Runs a fuzz target over its corpus, as a plain test: for builds without libFuzzer.
// usage: <target>_corpus DIRECTORY
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: %s DIRECTORY\n", arguments[0]);
    return 2;
  }
  std::error_code failed;
  size_t inputs = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(arguments[1], failed)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    std::printf("%s\n", entry.path().c_str());  // the last line names the input that crashes
    std::fflush(stdout);
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    ++inputs;
  }
  if (failed || inputs == 0) {
    std::fprintf(stderr, "no inputs in %s: %s\n", arguments[1], failed.message().c_str());
    return 1;
  }
  return 0;
}
