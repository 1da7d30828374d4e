// What RE2 says of a pattern and a text, for the comparison in fuzz_targets/regexp.rs.

#include <re2/re2.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

// Returns -1 for a pattern that RE2 refuses, 0 when it is not found in the text, otherwise 1. Then `spans` has the
// start and the end of the match and of each group, up to `room` of them; SIZE_MAX for a group that took no part.
extern "C" int re2_search(const char* pattern, size_t pattern_length, const char* text, size_t text_length,
                          size_t* spans, size_t room, size_t* groups) {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(64 << 20);
  RE2 re(re2::StringPiece(pattern, pattern_length), options);
  if (!re.ok()) return -1;
  size_t count = std::min<size_t>(room, 1 + re.NumberOfCapturingGroups());
  std::vector<re2::StringPiece> found(count);
  re2::StringPiece input(text, text_length);
  if (!re.Match(input, 0, text_length, RE2::UNANCHORED, found.data(), count)) return 0;
  *groups = count;
  for (size_t i = 0; i < count; i++) {
    bool took_part = found[i].data() != nullptr;
    spans[2 * i] = took_part ? found[i].data() - text : SIZE_MAX;
    spans[2 * i + 1] = took_part ? found[i].data() - text + found[i].size() : SIZE_MAX;
  }
  return 1;
}
