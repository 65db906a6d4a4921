package recipient_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

func (s *server) register(w http.ResponseWriter, r *http.Request) {
	var metadata map[string]any
	if r.Header.Get("Content-Type") != "application/json" || json.NewDecoder(r.Body).Decode(&metadata) != nil || metadata["software_statement"] != "statement" {
		oauthError(w, http.StatusBadRequest, "invalid_software_statement", "")
		return
	}
	id := rand.Text()
	s.clients[id] = rand.Text()
	s.registered(w, http.StatusCreated, id, metadata)
}

func (s *server) registered(w http.ResponseWriter, status int, id string, metadata map[string]any) {
	metadata["client_id"], metadata["client_id_issued_at"] = id, 1
	metadata["registration_access_token"], metadata["registration_client_uri"] = s.clients[id], s.as.URL+"/register/"+id
	if s.tokenAnswer != nil {
		s.tokenAnswer(metadata)
	}
	writeJSON(w, status, metadata)
}

func (s *server) manage(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if token := s.clients[id]; token == "" || r.Header.Get("Authorization") != "Bearer "+token {
		oauthError(w, http.StatusUnauthorized, "invalid_token", "")
		return
	}
	switch r.Method {
	case http.MethodGet:
		s.registered(w, http.StatusOK, id, map[string]any{"client_name": "read"})
	case http.MethodPut:
		var metadata map[string]any
		_ = json.NewDecoder(r.Body).Decode(&metadata)
		if metadata["client_id"] != id || metadata["client_id_issued_at"] != nil || metadata["registration_access_token"] != nil {
			oauthError(w, http.StatusBadRequest, "invalid_client_metadata", "")
			return
		}
		s.clients[id] = rand.Text()
		s.registered(w, http.StatusOK, id, metadata)
	case http.MethodDelete:
		delete(s.clients, id)
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *server) grants(w http.ResponseWriter, r *http.Request) {
	token, ok := s.presented(r)
	bound, err := s.proof(w, r, token)
	switch {
	case errors.Is(err, errNonce):
		w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
		w.WriteHeader(http.StatusUnauthorized)
	case err != nil, !ok, s.tokens[token] != bound:
		oauthError(w, http.StatusUnauthorized, "invalid_token", "")
	case r.PathValue("id") != "g 1":
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	default:
		io.WriteString(w, `{"scopes":[{"scope":"a b","resource":["https://x.example"]}],"claims":["name"],"authorization_details":[{"type":"fdx_v1.0"}]}`)
	}
}
