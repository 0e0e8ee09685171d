// Runs a fuzz target on files, and on the files of folders, given on the command line: the corpus
// in every test run, and an input that somebody reports.
//
//   NAME_replay [--slow MILLISECONDS] FILE|FOLDER...
//
// With --slow, inputs that take longer are named and make the exit code 1.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

Milliseconds Run(const std::vector<uint8_t>& bytes) {
  const auto start = Clock::now();
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  return Clock::now() - start;
}

}  // namespace

int main(int argc, char** argv) {
  std::optional<Milliseconds> slow;
  std::vector<fs::path> files;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--slow" && i + 1 < argc) {
      slow = Milliseconds(std::atof(argv[++i]));
    } else if (fs::is_directory(word)) {
      for (const auto& entry : fs::directory_iterator(word)) {
        files.push_back(entry.path());
      }
    } else {
      files.emplace_back(word);
    }
  }
  std::sort(files.begin(), files.end());
  int failed = 0;
  for (const fs::path& path : files) {
    std::ifstream in(path, std::ios::binary);
    if (!in) {
      std::fprintf(stderr, "%s: cannot be read\n", path.c_str());
      failed = 1;
      continue;
    }
    // Exactly as long as the file, so that a sanitizer sees a read behind its end.
    const std::string content{std::istreambuf_iterator<char>(in), {}};
    const std::vector<uint8_t> bytes(content.begin(), content.end());
    // Told first: if the target ends the process, the last name is the culprit.
    if (!slow) {
      std::printf("%s\n", path.c_str());
      std::fflush(stdout);
      Run(bytes);
      continue;
    }
    const Milliseconds took = std::min({Run(bytes), Run(bytes), Run(bytes)});
    if (took > *slow) {
      std::printf("%s: %.1f ms for %zu bytes\n", path.c_str(), took.count(), bytes.size());
      failed = 1;
    }
  }
  std::printf("%zu inputs\n", files.size());
  return files.empty() ? 2 : failed;
}
