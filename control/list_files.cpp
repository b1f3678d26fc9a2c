#include "control/list_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "control/uri.hpp"

namespace culvert::control {
namespace {

namespace fs = std::filesystem;

// With ".list", a number and ".new" it is within the 255 octets of a file's name.
constexpr std::size_t longest_stem = 200;
constexpr std::uint64_t largest_index = 16 << 20;
constexpr int flags_of_new = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

// Makes it if it is not there; is it ours to write?
std::string make_folder(const std::string& folder) {
  if (::mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST)
    return fmt::format("{}: {}", folder, std::strerror(errno));
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    return fmt::format("{}: {}", folder, std::strerror(errno));
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))
    return fmt::format("{}: not a folder", folder);
  return {};
}

std::string make_temporary() {
  std::error_code none;
  std::string name = (fs::temp_directory_path(none) / "culvert-lists-XXXXXX").string();
  return none || ::mkdtemp(name.data()) == nullptr ? std::string() : name;
}

std::string move(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    return fmt::format("{}: {}", to, std::strerror(errno));
  return {};
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(std::size_t(written));
  }
  return ::fsync(fd) == 0;
}

}  // namespace

FileIdentity identity_of(const std::string& path) noexcept {
  struct stat status {};
  if (path.empty() || ::stat(path.c_str(), &status) != 0) return {};
  return {std::uint64_t(status.st_size), std::uint64_t(status.st_ino),
          std::int64_t(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec};
}

ListFiles::ListFiles(const std::string& state_dir) {
  std::string why = "there is no state directory";
  if (!state_dir.empty()) {
    ::mkdir(state_dir.c_str(), S_IRWXU);  // there already, most of the time
    folder_ = state_dir + "/lists";
    why = make_folder(folder_);
    if (why.empty()) return;
  }
  folder_ = make_temporary();
  temporary_ = usable();
  trouble_ = usable() ? fmt::format(
                            "{}: copies of lists end with the server, which downloads "
                            "and compiles them anew when it is started",
                            why)
                      : fmt::format(
                            "{}, nor a temporary one: lists that are downloaded cannot be "
                            "used",
                            why);
}

ListFiles::~ListFiles() {
  std::error_code ignored;
  if (temporary_) fs::remove_all(folder_, ignored);
}

std::string ListFiles::copy_of(std::string_view list) const {
  std::string stem = url_encode(list);
  if (stem.size() > longest_stem)
    stem = fmt::format("{}-{:016x}", stem.substr(0, longest_stem - 20),
                       std::hash<std::string_view>()(list));
  return fmt::format("{}/{}.list", folder_, stem);
}

std::string ListFiles::arriving(std::string_view list, std::uint64_t number) const {
  return fmt::format("{}.{}.new", copy_of(list), number);
}

std::string ListFiles::accept(std::string_view list, std::uint64_t number) const {
  return move(arriving(list, number), copy_of(list));
}

void ListFiles::keep_only(const std::vector<std::string>& lists) const {
  if (!usable()) return;
  std::set<std::string> kept;
  for (const std::string& each : lists) kept.insert(copy_of(each));
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_, error)) {
    const std::string path = entry.path().string();
    const bool copy = path.ends_with(".list") && !kept.contains(path);
    if (copy || path.ends_with(".new")) ::unlink(path.c_str());
  }
}

base::FileDescriptor ListFiles::new_table() const {
  if (!usable()) return base::FileDescriptor(::memfd_create("culvert-rules", MFD_CLOEXEC));
  const std::string path = table() + ".new";
  ::unlink(path.c_str());
  return base::FileDescriptor(::open(path.c_str(), flags_of_new, S_IRUSR | S_IWUSR));
}

std::string ListFiles::accept_table() const {
  return usable() ? move(table() + ".new", table()) : std::string();
}

std::string ListFiles::read_index() const {
  const std::string path = folder_ + "/index.json";
  std::error_code error;
  if (!usable() || fs::file_size(path, error) > largest_index || error) return {};
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string ListFiles::write_index(const std::string& text) const {
  if (!usable()) return {};
  const std::string path = folder_ + "/index.json", arriving = path + ".new";
  ::unlink(arriving.c_str());
  const base::FileDescriptor file(::open(arriving.c_str(), flags_of_new, S_IRUSR | S_IWUSR));
  if (!file || !write_all(file.get(), text))
    return fmt::format("{}: {}", arriving, std::strerror(errno));
  return move(arriving, path);
}

}  // namespace culvert::control
