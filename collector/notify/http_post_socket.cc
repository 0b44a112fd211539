#include "collector/notify/http_post_socket.h"

#include <curl/curl.h>

#include <array>
#include <memory>

#include "collector/notify/mime.h"

namespace linkpilot::collector {

namespace {

constexpr std::size_t kAnswerMax = std::size_t{1} << 20;

struct PostCleanup {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct HeaderCleanup {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using PostHandle = std::unique_ptr<CURL, PostCleanup>;
using HeaderList = std::unique_ptr<curl_slist, HeaderCleanup>;

struct Answer {
  std::size_t octets = 0;
  const std::atomic<bool>& stop;
};

std::size_t count_answer(char*, std::size_t size, std::size_t count, void* context) {
  auto& answer = *static_cast<Answer*>(context);
  answer.octets += size * count;
  return answer.octets > kAnswerMax ? 0 : size * count;
}

int check_post_stop(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Answer*>(context)->stop ? 1 : 0;
}

template <typename Value>
void set_option(const PostHandle& easy, CURLoption option, Value value) {
  (void)curl_easy_setopt(easy.get(), option, value);  // fails only for options it does not know
}

}  // namespace

HttpOutcome http_post(const HttpPost& post, const std::atomic<bool>& stop) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  const PostHandle easy(ready == CURLE_OK ? curl_easy_init() : nullptr);
  if (!easy) return {0, "libcurl does not start"};
  HeaderList headers;
  for (const std::string& header : post.headers) {
    curl_slist* longer = curl_slist_append(headers.get(), clean_line(header).c_str());
    if (longer == nullptr) return {0, "no memory"};
    (void)headers.release();
    headers.reset(longer);
  }
  Answer answer{0, stop};
  std::array<char, CURL_ERROR_SIZE> detail{};
  const auto patience = static_cast<long>(
      std::chrono::duration_cast<std::chrono::milliseconds>(post.timeout).count());
  set_option(easy, CURLOPT_URL, post.url.c_str());
  set_option(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set_option(easy, CURLOPT_PROXY, "");  // whatever the environment says
  set_option(easy, CURLOPT_FOLLOWLOCATION, 0L);
  set_option(easy, CURLOPT_NOSIGNAL, 1L);
  set_option(easy, CURLOPT_FORBID_REUSE, 1L);
  set_option(easy, CURLOPT_TIMEOUT_MS, patience);
  set_option(easy, CURLOPT_CONNECTTIMEOUT_MS, patience);
  set_option(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!post.ca_file.empty()) set_option(easy, CURLOPT_CAINFO, post.ca_file.c_str());
  set_option(easy, CURLOPT_ERRORBUFFER, detail.data());
  set_option(easy, CURLOPT_HTTPHEADER, headers.get());
  set_option(easy, CURLOPT_POST, 1L);
  set_option(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(post.body.size()));
  set_option(easy, CURLOPT_POSTFIELDS, post.body.c_str());
  set_option(easy, CURLOPT_WRITEFUNCTION, &count_answer);
  set_option(easy, CURLOPT_WRITEDATA, &answer);
  set_option(easy, CURLOPT_NOPROGRESS, 0L);
  set_option(easy, CURLOPT_XFERINFOFUNCTION, &check_post_stop);
  set_option(easy, CURLOPT_XFERINFODATA, &answer);
  const CURLcode code = curl_easy_perform(easy.get());
  long status = 0;
  (void)curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  // A status that came before the answer broke off still says what became of the post.
  if (code == CURLE_OK || status >= 200) return {static_cast<int>(status), ""};
  return {0, clean_line(detail[0] != '\0' ? detail.data() : curl_easy_strerror(code))};
}

}  // namespace linkpilot::collector
