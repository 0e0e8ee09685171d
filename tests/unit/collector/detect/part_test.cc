#include "collector/detect/part.h"

#include <gtest/gtest.h>

#include <set>

namespace parallax::collector {
namespace {

TEST(Part, EachHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (const Part part : AllParts()) {
    EXPECT_EQ(ParsePart(ToString(part)), part);
    EXPECT_TRUE(names.insert(ToString(part)).second) << ToString(part);
  }
  EXPECT_EQ(ParsePart("sweep"), std::nullopt);
  EXPECT_EQ(ParsePart(""), std::nullopt);
}

TEST(Parts, HoldWhatWasAdded) {
  Parts parts{Part::kSweeps};
  parts.Add(Part::kCutOff);
  for (const Part part : AllParts()) {
    EXPECT_EQ(parts.Has(part), part == Part::kSweeps || part == Part::kCutOff);
    EXPECT_FALSE(Parts().Has(part));
  }
}

}  // namespace
}  // namespace parallax::collector
