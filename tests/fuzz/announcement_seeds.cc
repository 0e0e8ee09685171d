// Writes seeds for announcement_fuzz into a folder: the sample frames of the unit tests, each with
// its link type.
//
//   announcement_seeds FOLDER
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/unit/sensor/capture/announcement_frames.h"

int main(int argc, char** argv) {
  using namespace parallax::sensor;
  if (argc != 2) {
    std::fputs("usage: announcement_seeds FOLDER\n", stderr);
    return 2;
  }
  size_t number = 0;
  for (const frames::AnnouncementSample& sample : frames::AnnouncementSamples()) {
    size_t link = 0;
    while (kAllLinkTypes[link] != sample.link) {
      ++link;
    }
    std::ofstream out(std::string(argv[1]) + "/sample" + std::to_string(number++),
                      std::ios::binary);
    out.put(static_cast<char>(link));
    for (const uint8_t byte : sample.frame) {
      out.put(static_cast<char>(byte));
    }
  }
  return 0;
}
