#include "app/config_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace culvert::app {
namespace {

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

base::Error failed(const std::string& path, std::string_view what) {
  return {fmt::format("{}: {}: {}", path, what, std::strerror(errno))};
}

base::Result<std::string> read_all(const File& file, const std::string& path, std::size_t largest) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(path, "cannot be read");
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > largest)
      return base::Error{fmt::format("{}: larger than {} bytes", path, largest)};
  }
}

// systemd keeps the credentials of a service in a directory of its own and may give the service its
// right by an access list, which shows as a right of the group.
bool is_credential(const std::string& path) {
  const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
  if (directory == nullptr || *directory != '/') return false;
  std::error_code error;
  const auto real = std::filesystem::canonical(path, error);
  return !error && real.parent_path() == std::filesystem::canonical(directory, error) && !error;
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  return ::fsync(fd) == 0;
}

}  // namespace

base::Result<FileText> read_file(const std::string& path, std::size_t largest) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!file) return failed(path, "cannot be opened");
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return failed(path, "cannot be examined");
  if (S_ISDIR(status.st_mode)) return base::Error{path + ": is a directory, expected a file"};
  auto text = read_all(file, path, largest);
  if (!text) return base::Error{text.error()};
  const mode_t shown = is_credential(path) ? 07737u : 07777u;
  return FileText{std::move(*text), status.st_mode & shown};
}

base::Result<std::string> read_key_file(const std::string& path) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file) return failed(path, "the key file cannot be opened");
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return failed(path, "the key file cannot be examined");
  if (!S_ISREG(status.st_mode))
    return base::Error{path + ": not a regular file, expected a key file"};
  if (status.st_uid != ::geteuid() && status.st_uid != 0)
    return base::Error{
        fmt::format("{}: the key file belongs to user {}, expected user {} who runs "
                    "culvert",
                    path, status.st_uid, ::geteuid())};
  const mode_t mode = status.st_mode & 0777u;
  const mode_t forbidden = is_credential(path) ? 037u : 077u;
  if ((mode & forbidden) != 0)
    return base::Error{
        fmt::format("{}: the key file has mode {:04o}, expected 0600: others could read "
                    "the key",
                    path, mode)};
  return read_all(file, path, 4096);
}

base::Result<bool> create_file(const std::string& path, const std::string& text, mode_t mode) {
  const File file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!file) return failed(path, "cannot be made");
  if (::fchmod(file.get(), mode) == 0 && write_all(file.get(), text)) return true;
  const base::Error error = failed(path, "cannot be written");
  ::unlink(path.c_str());
  return error;
}

base::Result<bool> replace_file(const std::string& path, const std::string& text) {
  // Through symbolic links, so that a link stays a link.
  std::error_code problem;
  const std::string target = std::filesystem::canonical(path, problem).string();
  struct stat status {};
  if (problem || ::stat(target.c_str(), &status) != 0) return failed(path, "cannot be examined");
  std::string temporary = target + ".XXXXXX";
  const File file(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!file) return failed(path, "no new file can be made beside it");
  const bool owned =
      ::fchown(file.get(), status.st_uid, status.st_gid) == 0 || status.st_uid == ::geteuid();
  if (owned && ::fchmod(file.get(), status.st_mode & 07777u) == 0 && write_all(file.get(), text) &&
      ::rename(temporary.c_str(), target.c_str()) == 0)
    return true;
  const base::Error error = failed(path, "cannot be replaced");
  ::unlink(temporary.c_str());
  return error;
}

}  // namespace culvert::app
