// What all subcommands do: connect, ask, and print the answer as it was asked for.
#pragma once

#include <cstdio>
#include <string_view>

#include "collector/cli/client.h"
#include "collector/cli/commands.h"
#include "collector/cli/json.h"
#include "collector/cli/render.h"

namespace parallax::cli {

Look LookOf(int stream);
void Put(std::FILE* stream, std::string_view text);
// A full disk or a closed pipe behind stdout must not look like success.
Result<void> Flushed();
Result<void> Print(const Page& page);
// `extra` goes between the kind and the items.
Result<void> PrintList(Format format, const char* kind, const Json& extra, const Json& items);
Result<void> PrintOne(Format format, const char* kind, const Json& item);

Result<Client> Connect(const Options& options);
bool IsTable(const Options& options);
// A script gets everything; a person a screenful and a hint.
uint32_t LimitOf(const Options& options);

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

}  // namespace parallax::cli
