// expect: the_name_of_a_response_header_is_no_token
#include <cohort/http/response.hpp>

cohort::response refused() { return cohort::response{200}.header("Cache Status", "hit"); }
