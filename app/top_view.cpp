#include "app/top_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "app/human.hpp"
#include "app/show_text.hpp"

namespace culvert::app {
namespace {

using human::member;
using human::number_of;
using human::text_of;
using nlohmann::json;
using Column = TopView::Column;

constexpr std::size_t columns = std::size_t(Column::count_);

struct Heading {
  char key;
  const char* title;
  std::size_t width;  // 0: what is left
  bool right;
};

// The underlined letter of each is its key.
constexpr std::array<Heading, columns> headings{{{'n', "NAME", 0, false},
                                                 {'d', "DOWN", 13, true},
                                                 {'u', "UP", 13, true},
                                                 {'f', "FLOWS", 6, true},
                                                 {'b', "QUOTA", 18, false},
                                                 {'t', "TOTAL", 11, true},
                                                 {'h', "HANDSHAKE", 9, true}}};
constexpr const char* help =
    "sort: n name  d down  u up  f flows  b quota  t total  h handshake  < > column  r reverse   "
    "q quit";

std::uint64_t open_flows(const json& peer) {
  const json& open = member(peer, "open_flows");
  return number_of(open, "tcp") + number_of(open, "udp");
}

std::uint64_t total(const json& peer) {
  const json& usage = member(peer, "usage");
  return number_of(usage, "up_bytes") + number_of(usage, "down_bytes");
}

double share(const json& quota) {
  const std::uint64_t bytes = number_of(quota, "bytes");
  return bytes == 0 ? -1.0
                    : static_cast<double>(number_of(quota, "used")) / static_cast<double>(bytes);
}

double value_of(const json& peer, Column column) {
  switch (column) {
    case Column::down:
      return static_cast<double>(number_of(member(peer, "rates"), "down"));
    case Column::up:
      return static_cast<double>(number_of(member(peer, "rates"), "up"));
    case Column::flows:
      return static_cast<double>(open_flows(peer));
    case Column::quota:
      return share(member(peer, "quota"));
    case Column::total:
      return static_cast<double>(total(peer));
    case Column::handshake: {
      const auto when = human::time(text_of(peer, "latest_handshake"));
      return when ? static_cast<double>(when->time_since_epoch().count()) : 0;
    }
    case Column::name:
    case Column::count_:
      break;
  }
  return 0;
}

std::vector<const json*> sorted(const json& peers, const TopView& view) {
  std::vector<const json*> order;
  for (const json& peer : peers) order.push_back(&peer);
  const auto before = [&](const json* a, const json* b) {
    if (view.sort == Column::name) return text_of(*a, "name") < text_of(*b, "name");
    return value_of(*a, view.sort) > value_of(*b, view.sort);
  };
  std::stable_sort(order.begin(), order.end(), [&](const json* a, const json* b) {
    return view.reverse ? before(b, a) : before(a, b);
  });
  return order;
}

std::array<std::string, columns> cells(const json& peer, base::WallTime now) {
  const auto when = human::time(text_of(peer, "latest_handshake"));
  const auto passed = [&] { return std::chrono::duration_cast<std::chrono::seconds>(now - *when); };
  std::string name = text_of(peer, "name");
  const std::string state = state_text(peer);
  if (state.starts_with("stopped") || state.find("throttled") != std::string::npos)
    name += state.starts_with("stopped") ? " (stopped)" : " (slow)";
  return {std::move(name),
          human::rate(number_of(member(peer, "rates"), "down")),
          human::rate(number_of(member(peer, "rates"), "up")),
          fmt::format("{}", open_flows(peer)),
          quota_bar(member(peer, "quota")),
          human::bytes(total(peer)),
          when ? human::short_span(passed()) : "never"};
}

template <class Cell>
std::string line_of(std::size_t width, const Cell& cell) {
  std::size_t fixed = 0;
  for (const Heading& heading : headings) fixed += heading.width == 0 ? 0 : heading.width + 1;
  const std::size_t name = width > fixed + 8 ? width - fixed : 8;
  std::string line;
  for (std::size_t i = 0; i < columns; ++i)
    line += (i == 0 ? "" : " ") +
            human::padded(cell(i), i == 0 ? name : headings[i].width, headings[i].right);
  return human::padded(line, width, false);
}

std::string summary(const json& status) {
  const json &rates = member(status, "rates"), &peers = member(status, "peers"),
             &open = member(status, "open_flows");
  return fmt::format("{}: {} down, {} up, {} flows, {} of {} peers connected",
                     text_of(status, "interface"), human::rate(number_of(rates, "down")),
                     human::rate(number_of(rates, "up")),
                     number_of(open, "tcp") + number_of(open, "udp"), number_of(peers, "connected"),
                     number_of(peers, "total"));
}

}  // namespace

std::string quota_bar(const json& quota) {
  const double part = share(quota);
  if (part < 0) return "";
  constexpr std::size_t width = 10;
  const auto full = std::min<std::size_t>(std::size_t(part * width), width);
  return fmt::format("[{}{}] {:3.0f} %", std::string(full, '#'), std::string(width - full, '.'),
                     std::min(part * 100, 999.0));
}

void TopView::press(char key, bool arrow) {
  const auto step = [this](std::size_t by) {
    sort = static_cast<Column>((std::size_t(sort) + by) % columns);
  };
  if (arrow) {
    if (key == 'A' && first > 0) --first;
    if (key == 'B') ++first;
    if (key == 'C') step(1);
    if (key == 'D') step(columns - 1);
    return;
  }
  constexpr char interrupt = 3;  // Ctrl-C, which a raw terminal hands over as it is
  if (key == 'q' || key == 'Q' || key == interrupt) quit = true;
  if (key == 'r') reverse = !reverse;
  if (key == '>') step(1);
  if (key == '<') step(columns - 1);
  for (std::size_t i = 0; i < columns; ++i)
    if (headings[i].key == key) sort = static_cast<Column>(i);
}

std::vector<std::string> top_lines(const json& status, const json& peers, TopView& view,
                                   std::size_t width, std::size_t height, base::WallTime now) {
  std::vector<std::string> lines = {human::padded(summary(status), width, false)};
  lines.push_back(line_of(width, [&](std::size_t i) {
    const bool here = std::size_t(view.sort) == i;
    return here ? (view.reverse ? "^" : "v") + std::string(headings[i].title)
                : std::string(headings[i].title);
  }));
  const auto order = sorted(peers, view);
  const std::size_t room = height > 3 ? height - 3 : 0;
  view.first = std::min(view.first, order.size() > room ? order.size() - room : 0);
  for (std::size_t i = 0; i < room; ++i) {
    if (view.first + i >= order.size()) {
      lines.emplace_back();
      continue;
    }
    const auto row = cells(*order[view.first + i], now);
    lines.push_back(line_of(width, [&](std::size_t column) { return row[column]; }));
  }
  lines.push_back(human::padded(help, width, false));
  lines.resize(std::min(lines.size(), height));
  return lines;
}

std::string top_plain(const json& peers, TopView& view, base::WallTime now) {
  const std::string time = human::moment(now);
  std::string text;
  for (const json* peer : sorted(peers, view)) {
    const auto row = cells(*peer, now);
    text += fmt::format("{} {}: {} down, {} up, {} flows, {} in all, handshake {}{}{}\n", time,
                        row[0], row[1], row[2], row[3], row[5], row[6],
                        row[4].empty() ? "" : ", quota ", row[4]);
  }
  return text;
}

}  // namespace culvert::app
