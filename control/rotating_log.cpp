#include "control/rotating_log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/log.hpp"
#include "control/timestamp.hpp"

namespace culvert::control {

namespace log = base::log;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t write_soon = 64 << 10;
constexpr std::size_t written_a_tick = 1 << 20;
constexpr auto write_interval = std::chrono::seconds(1);
constexpr auto retry_interval = std::chrono::seconds(5);
constexpr auto check_interval = std::chrono::seconds(5);
constexpr std::size_t stamp_length = sizeof "20261231T235959.999Z" - 1;

}  // namespace

RotatingLog::~RotatingLog() {
  close();
}

void RotatingLog::add(std::string_view line) {
  if (waiting() + line.size() > max_waiting) {
    ++stats_.lost;
    return;
  }
  buffer_.append(line);
  ++stats_.lines;
}

void RotatingLog::tick(base::Time now, base::WallTime wall) {
  if (waiting() == 0 || (now < next_ && waiting() < write_soon)) return;
  flush(now, wall);
}

void RotatingLog::flush(base::Time now, base::WallTime wall) {
  next_ = now + write_interval;
  std::size_t written = 0;
  while (waiting() > 0 && written < written_a_tick) {
    if (!ready(now)) return;
    const std::size_t chunk = next_chunk();
    if (chunk == 0) {
      if (!rotate(wall)) retry_ = now + retry_interval;
      continue;
    }
    if (!write_some(chunk)) {
      retry_ = now + retry_interval;
      return;
    }
    written += chunk;
  }
}

bool RotatingLog::ready(base::Time now) {
  if (now < retry_) return false;
  if (fd_ >= 0 && now >= check_) {
    check_ = now + check_interval;
    if (!in_line_ && moved_away()) close();
  }
  if (fd_ >= 0 || open()) return true;
  retry_ = now + retry_interval;
  return false;
}

// Somebody else may have turned or deleted the file.
bool RotatingLog::moved_away() const {
  struct stat by_name {
  }, by_fd{};
  if (::stat(settings_.path.c_str(), &by_name) != 0) return errno == ENOENT;
  return ::fstat(fd_, &by_fd) == 0 &&
         (by_name.st_ino != by_fd.st_ino || by_name.st_dev != by_fd.st_dev);
}

bool RotatingLog::open() {
  // O_NONBLOCK: a FIFO without a reader is an error and not a wait.
  fd_ = ::open(settings_.path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
  if (fd_ < 0) return failed("cannot be opened", errno), false;
  struct stat info {};
  if (::fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
    close();
    return failed("is not a file", EINVAL), false;
  }
  size_ = std::uint64_t(info.st_size);
  char last = '\n';
  // A line that was cut off stays alone.
  if (size_ > 0 && ::pread(fd_, &last, 1, off_t(size_ - 1)) == 1 && last != '\n')
    buffer_.insert(begin_, "\n");
  in_line_ = last != '\n';
  if (!std::exchange(listed_, true)) list_old();
  return true;
}

void RotatingLog::list_old() {
  const fs::path path(settings_.path);
  const std::string prefix = path.filename().string() + ".";
  std::error_code error;
  for (const auto& entry :
       fs::directory_iterator(path.has_parent_path() ? path.parent_path() : ".", error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix) || name.size() < prefix.size() + stamp_length) continue;
    const std::string_view stamp = std::string_view(name).substr(prefix.size());
    if (stamp[8] != 'T' || stamp[stamp_length - 1] != 'Z') continue;
    old_.push_back({entry.path().string(), entry.file_size(error)});
  }
  std::ranges::sort(old_, {}, &Old::path);
}

void RotatingLog::close() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  in_line_ = false;
}

// Whole lines, as many as the file may still take; a line that was begun is always completed. 0:
// turn the file first.
std::size_t RotatingLog::next_chunk() const {
  const std::string_view rest = std::string_view(buffer_).substr(begin_);
  const std::size_t first = rest.find('\n') + 1;
  if (in_line_) return first;
  const std::uint64_t room = settings_.rotate_at > size_ ? settings_.rotate_at - size_ : 0;
  if (first > room) return size_ == 0 ? first : 0;
  const std::size_t most = std::min<std::uint64_t>({room, write_soon, rest.size()});
  return std::max(first, rest.rfind('\n', most - 1) + 1);
}

bool RotatingLog::write_some(std::size_t size) {
  const ssize_t n = ::write(fd_, buffer_.data() + begin_, size);
  if (n <= 0) {
    if (n < 0 && errno == EINTR) return true;
    failed("cannot be written", n < 0 ? errno : ENOSPC);
    if (!in_line_) close();
    return false;
  }
  size_ += std::size_t(n);
  stats_.bytes += std::size_t(n);
  in_line_ = buffer_[begin_ + std::size_t(n) - 1] != '\n';
  consume(std::size_t(n));
  if (!trouble_.empty()) {
    log::info("{} {}: written again; {} lines were lost", what_, settings_.path, stats_.lost);
    trouble_.clear();
  }
  return true;
}

void RotatingLog::consume(std::size_t size) {
  begin_ += size;
  if (begin_ == buffer_.size())
    buffer_.clear(), begin_ = 0;
  else if (begin_ > max_waiting / 4)
    buffer_.erase(0, begin_), begin_ = 0;
}

bool RotatingLog::rotate(base::WallTime wall) {
  close();
  const std::string base = settings_.path + "." + file_stamp(wall);
  std::string name = base;
  for (int i = 1; ::access(name.c_str(), F_OK) == 0; ++i) name = fmt::format("{}-{:03}", base, i);
  if (::rename(settings_.path.c_str(), name.c_str()) != 0)
    return failed("cannot be renamed", errno), false;
  ++stats_.rotations;
  old_.push_back({name, size_});
  prune();
  return true;
}

void RotatingLog::prune() {
  std::uint64_t all = settings_.rotate_at;  // what the file in use may come to
  for (const Old& each : old_) all += each.size;
  while (!old_.empty() && all > settings_.keep) {
    if (::unlink(old_.front().path.c_str()) != 0 && errno != ENOENT)
      log::warn("{} {}: cannot be removed: {}", what_, old_.front().path, std::strerror(errno));
    all -= old_.front().size;
    old_.pop_front();
  }
}

void RotatingLog::failed(const std::string& what, int error) {
  const bool said = !trouble_.empty();
  trouble_ = fmt::format("{} {} {}: {}", what_, settings_.path, what, std::strerror(error));
  if (!said)
    log::error("{}; its lines wait in memory, at most {} MiB", trouble_, max_waiting >> 20);
}

}  // namespace culvert::control
