/* lwIP's view of the compiler and the platform. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif
/* base::assertion_failed by a name that C can call. A failed check of lwIP's aborts: a crashed worker
   is replaced, a corrupted one is not. */
__attribute__((noreturn)) void culvert_lwip_assertion_failed(const char* what, const char* file,
                                                             int line);
#ifdef __cplusplus
}
#endif

#define LWIP_PLATFORM_ASSERT(what) culvert_lwip_assertion_failed(what, __FILE__, __LINE__)
#define LWIP_PLATFORM_DIAG(message) \
  do {                              \
  } while (0)

#define lwip_htons(x) __builtin_bswap16(x)
#define lwip_htonl(x) __builtin_bswap32(x)
