# A page shows a program that is built and run by the tests, to the letter.
file(READ ${PAGE} page)
file(READ ${PROGRAM} program)
string(FIND "${page}" "```cpp\n${program}```" found)
if(found EQUAL -1)
  message(FATAL_ERROR "${PAGE} does not hold ${PROGRAM} word for word")
endif()
