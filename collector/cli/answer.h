// What all subcommands do: connect, ask, and print the answer as it was asked for.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "collector/cli/client.h"
#include "collector/cli/commands.h"
#include "collector/cli/json.h"
#include "collector/cli/list_view.h"
#include "collector/cli/render.h"

namespace parallax::cli {

Look LookOf(int stream);
Look LookFor(const Options& options);  // of a list on stdout
void Put(std::FILE* stream, std::string_view text);
// A full disk or a closed pipe behind stdout must not look like success.
Result<void> Flushed();
Result<void> Print(const Page& page);
// In any format but that of the pages for people. `extra` goes between the kind and the items;
// `total`: so many there are, if not all of them are `items`.
Result<void> PrintList(const Options& options, const char* kind, const Json& extra,
                       const Json& items, uint64_t total = 0);
Result<void> PrintOne(const Options& options, const char* kind, const Json& item);

// kUsage if a list of that kind, or this format, does not go with what is wished for.
Result<void> CheckWish(const Options& options, const char* kind);
// The time so long before `now`, as fields have it.
std::string TimeBefore(uint64_t now, Duration since);

Result<Client> Connect(const Options& options);
// A page for people, not a list of fields.
bool IsTable(const Options& options);
// A script gets everything; a person a screenful and a hint.
uint32_t LimitOf(const Options& options);
// How many to ask the collector for: all, if it is decided here which ones are shown.
uint32_t LimitToAsk(const Options& options);

// Keeps what meets the conditions, in the order that is wished for, up to the limit; `total`
// becomes the number of those that meet them.
template <typename List>
void Narrow(const Options& options, List& list) {
  if (options.list.where.empty() && options.list.sort.empty()) {
    return;
  }
  const std::vector<size_t> chosen = Select(Items(list.items()), options.list);
  const size_t limit = LimitOf(options);
  auto before = std::move(*list.mutable_items());
  list.clear_items();
  for (size_t i = 0; i < chosen.size() && (limit == 0 || i < limit); ++i) {
    *list.add_items() = std::move(before[static_cast<int>(chosen[i])]);
  }
  if constexpr (requires { list.set_total(uint64_t{}); }) {
    list.set_total(chosen.size());
  }
}

// Connects, asks, and hands the answer on.
template <typename Ask, typename Use>
Result<void> WithAnswer(const Options& options, Ask ask, Use use) {
  auto client = Connect(options);
  if (!client) {
    return tl::make_unexpected(client.error());
  }
  auto answer = ask(*client);
  if (!answer) {
    return tl::make_unexpected(answer.error());
  }
  return use(*answer);
}

// What goes into the JSON of a list beside its items.
struct TotalOnly {
  template <typename List>
  Json operator()(const List& list) const {
    if constexpr (requires { list.total(); }) {
      return {{"total", list.total()}};
    } else {
      return Json::object();
    }
  }
};

// Asks for a list, narrows it as wished, and prints it; `render` makes the page for people.
template <typename Ask, typename Render, typename Extra = TotalOnly>
Result<void> ShowList(const Options& options, const char* kind, Ask ask, Render render,
                      Extra extra = {}) {
  if (auto sound = CheckWish(options, kind); !sound) {
    return sound;
  }
  return WithAnswer(options, ask, [&](auto& list) {
    Narrow(options, list);
    if (IsTable(options)) {
      return Print(list.items().empty() && !options.list.where.empty()
                       ? Page{"", "None of them is like that.\n"}
                       : render(list));
    }
    uint64_t total = 0;
    if constexpr (requires { list.total(); }) {
      total = list.total();
    }
    return PrintList(options, kind, extra(list), Items(list.items()), total);
  });
}

}  // namespace parallax::cli
