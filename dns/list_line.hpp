// LineSplitter: text that comes in pieces, cut anywhere, to lines. A line ends with LF, CR or both,
// or with the text. What is longer than max_line is not kept, only told. No heap after the first
// line that a cut went through.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace culvert::dns {

class LineSplitter {
 public:
  static constexpr std::size_t max_line = 4096;

  // Calls on_line(std::string_view line, bool too_long) for each line; `line` is empty if it was
  // too long.
  template <class OnLine>
  void feed(std::string_view text, OnLine&& on_line) {
    const char* line_feed = nullptr;  // the next LF, once it was looked for
    while (!text.empty()) {
      if (after_return_ && text.front() == '\n') text.remove_prefix(1);
      after_return_ = false;
      const std::size_t size = find_end(text, line_feed);
      const std::string_view piece = text.substr(0, size);
      if (size == text.size()) return keep(piece);
      after_return_ = text[size] == '\r';
      text.remove_prefix(size + 1);
      end_line(piece, on_line);
    }
  }

  template <class OnLine>
  void finish(OnLine&& on_line) {
    if (!kept_.empty() || too_long_) end_line({}, on_line);
  }

 private:
  // One search for LF serves all the CRs before it: a text of CRs alone costs no more.
  static std::size_t find_end(std::string_view text, const char*& line_feed) noexcept {
    if (text.empty()) return 0;
    const char* const begin = text.data();
    const char* const end = begin + text.size();
    if (line_feed == nullptr || line_feed < begin) {
      const void* const found = std::memchr(begin, '\n', text.size());
      line_feed = found != nullptr ? static_cast<const char*>(found) : end;
    }
    const auto before = static_cast<std::size_t>(line_feed - begin);
    const void* const found = std::memchr(begin, '\r', before);
    return found != nullptr ? static_cast<std::size_t>(static_cast<const char*>(found) - begin)
                            : before;
  }

  void keep(std::string_view piece) {
    if (kept_.size() + piece.size() > max_line) too_long_ = true;
    if (!too_long_) kept_.append(piece);
  }

  template <class OnLine>
  void end_line(std::string_view piece, OnLine&& on_line) {
    if (kept_.empty() && !too_long_ && piece.size() <= max_line) return tell(piece, false, on_line);
    keep(piece);
    tell(too_long_ ? std::string_view() : std::string_view(kept_), too_long_, on_line);
    kept_.clear();
    too_long_ = false;
  }

  template <class OnLine>
  void tell(std::string_view line, bool too_long, OnLine&& on_line) {
    if (first_ && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);  // a byte order mark
    first_ = false;
    on_line(line, too_long);
  }

  std::string kept_;  // of a line whose end has not come
  bool too_long_ = false, after_return_ = false, first_ = true;
};

}  // namespace culvert::dns
