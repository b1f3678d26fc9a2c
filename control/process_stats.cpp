#include "control/process_stats.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace culvert::control {

std::optional<ProcessStats> process_stats(int pid) noexcept {
  char path[32], text[1024];
  std::snprintf(path, sizeof path, "/proc/%d/stat", pid);
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const ssize_t n = ::read(fd, text, sizeof text - 1);
  ::close(fd);
  if (n <= 0) return {};
  text[n] = 0;
  const char* fields = std::strrchr(text, ')');  // a name may hold anything
  unsigned long user = 0, system = 0, bytes = 0;
  long pages = 0;
  // Fields 14, 15, 23 and 24; the first one behind the name is 3.
  if (!fields || std::sscanf(fields + 1,
                             " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d "
                             "%*d %*d %*u %lu %ld",
                             &user, &system, &bytes, &pages) != 4)
    return {};
  return ProcessStats{double(user + system) / double(::sysconf(_SC_CLK_TCK)),
                      std::uint64_t(pages) * std::uint64_t(::sysconf(_SC_PAGESIZE)), bytes};
}

std::size_t open_descriptors() noexcept {
  DIR* directory = ::opendir("/proc/self/fd");
  if (!directory) return 0;
  std::size_t entries = 0;
  while (const dirent* entry = ::readdir(directory)) entries += entry->d_name[0] != '.';
  ::closedir(directory);
  return entries - (entries > 0);  // its own
}

}  // namespace culvert::control
