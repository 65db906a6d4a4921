package web

import "strings"

// BrowserFamily tells the kind of browser and of machine from a User-Agent
// header, such as "Firefox · Windows": enough for a person to recognise, and
// nothing that the client wrote. It is empty for one that it does not know.
func BrowserFamily(agent string) string {
	// The order matters: most browsers claim to be the ones below as well.
	browser := first(agent, "Edg", "Edge", "OPR/", "Opera", "SamsungBrowser", "Samsung Internet", "Firefox/", "Firefox", "FxiOS", "Firefox",
		"CriOS", "Chrome", "Chrome/", "Chrome", "Chromium", "Chrome", "Safari/", "Safari")
	machine := first(agent, "iPhone", "iPhone", "iPad", "iPad", "Android", "Android", "Windows", "Windows", "CrOS", "Chromebook",
		"Mac OS X", "Mac", "Linux", "Linux")
	switch {
	case browser == "":
		return machine
	case machine == "":
		return browser
	}
	return browser + " · " + machine
}

// first returns the name beside the first mark that is in s. pairs are marks
// and names.
func first(s string, pairs ...string) string {
	for i := 0; i+1 < len(pairs); i += 2 {
		if strings.Contains(s, pairs[i]) {
			return pairs[i+1]
		}
	}
	return ""
}
