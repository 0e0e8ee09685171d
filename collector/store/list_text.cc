#include "collector/store/list_text.h"

namespace parallax::collector {
namespace {

constexpr std::string_view kRecovered = "recovered ";

void AppendEscaped(std::string& out, std::string_view item) {
  for (const char c : item) {
    switch (c) {
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\\':
        out += "\\\\";
        break;
      default:
        out += c;
    }
  }
}

std::string Unescape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char next = text[++i];
    if (next == 'n') {
      out += '\n';
    } else if (next == 't') {
      out += '\t';
    } else {
      if (next != '\\') {
        out += '\\';
      }
      out += next;
    }
  }
  return out;
}

// Calls `use` with each line, without its end. Every line ends with \n.
template <typename Use>
void ForEachLine(std::string_view text, Use use) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    use(text.substr(0, end));
    if (end == std::string_view::npos) {
      return;
    }
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::string EncodeList(const std::vector<std::string>& items) {
  std::string out;
  for (const auto& item : items) {
    AppendEscaped(out, item);
    out += '\n';
  }
  return out;
}

std::vector<std::string> DecodeList(std::string_view text) {
  std::vector<std::string> items;
  ForEachLine(text, [&](std::string_view line) { items.push_back(Unescape(line)); });
  return items;
}

std::string EncodeMap(const std::map<std::string, std::string>& items) {
  std::string out;
  for (const auto& [key, value] : items) {
    AppendEscaped(out, key);
    out += '\t';
    AppendEscaped(out, value);
    out += '\n';
  }
  return out;
}

std::map<std::string, std::string> DecodeMap(std::string_view text) {
  std::map<std::string, std::string> items;
  ForEachLine(text, [&](std::string_view line) {
    const size_t tab = line.find('\t');
    const std::string_view value =
        tab == std::string_view::npos ? std::string_view() : line.substr(tab + 1);
    items[Unescape(line.substr(0, tab))] = Unescape(value);
  });
  return items;
}

std::string EncodeAddresses(const std::vector<IpAddress>& addresses) {
  std::string out;
  for (const auto& address : addresses) {
    out += address.ToString();
    out += '\n';
  }
  return out;
}

std::vector<IpAddress> DecodeAddresses(std::string_view text) {
  std::vector<IpAddress> addresses;
  ForEachLine(text, [&](std::string_view line) {
    if (auto address = IpAddress::Parse(line)) {
      addresses.push_back(*address);
    }
  });
  return addresses;
}

std::string EncodePrefixes(const std::vector<Prefix>& prefixes) {
  std::string out;
  for (const auto& prefix : prefixes) {
    out += prefix.ToString();
    out += '\n';
  }
  return out;
}

std::vector<Prefix> DecodePrefixes(std::string_view text) {
  std::vector<Prefix> prefixes;
  ForEachLine(text, [&](std::string_view line) {
    if (auto prefix = Prefix::Parse(line)) {
      prefixes.push_back(*prefix);
    }
  });
  return prefixes;
}

std::string EncodeHops(const PathHops& hops) {
  std::string out;
  for (const auto& routers : hops) {
    for (size_t i = 0; i < routers.size(); ++i) {
      out += i > 0 ? " " : "";
      out += routers[i].ToString();
    }
    out += '\n';
  }
  return out;
}

PathHops DecodeHops(std::string_view text) {
  PathHops hops;
  ForEachLine(text, [&](std::string_view line) {
    auto& routers = hops.emplace_back();
    while (!line.empty()) {
      const size_t end = line.find(' ');
      if (const auto router = IpAddress::Parse(line.substr(0, end))) {
        routers.push_back(*router);
      }
      line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
    }
  });
  return hops;
}

std::string EncodeTargets(const std::vector<IncidentTarget>& targets) {
  std::string out;
  for (const auto& target : targets) {
    if (!target.failing) {
      out += kRecovered;
    }
    out += target.address.ToString();
    out += '\n';
  }
  return out;
}

std::vector<IncidentTarget> DecodeTargets(std::string_view text) {
  std::vector<IncidentTarget> targets;
  ForEachLine(text, [&](std::string_view line) {
    const bool failing = !line.starts_with(kRecovered);
    if (auto address = IpAddress::Parse(failing ? line : line.substr(kRecovered.size()))) {
      targets.push_back({*address, failing});
    }
  });
  return targets;
}

}  // namespace parallax::collector
