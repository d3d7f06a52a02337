# Completions of git-mimo for bash. `git mimo complete` says what fits.

# Called by git's completion for `git mimo`, with cur, words and cword set, and by _mimo below.
_git_mimo () {
	local first=${__git_cmd_idx-} current=$cur prefix= line word
	local -a program=(__git mimo) # git's own helper knows of -C and --git-dir on the command line
	if [ -z "$first" ]; then
		for ((first = 1; first < cword; first++)); do
			[ "${words[first]}" = mimo ] && break
		done
	fi
	[ "$first" -gt 0 ] || program=("${words[0]}")
	case $cur in
	--*=*) current=${cur#*=} ;;
	esac
	case $COMP_WORDBREAKS in
	*:*) prefix=${current%"${current##*:}"} ;;
	esac
	COMPREPLY=()
	while IFS= read -r line; do
		if [ "$line" = :files ]; then
			compopt -o filenames +o nospace 2>/dev/null
			while IFS= read -r word; do
				COMPREPLY+=("$word")
			done < <(compgen -f -- "$current")
			return 0
		fi
		word=${line%%$'\t'*}
		COMPREPLY+=("${word#"$prefix"} ")
	done < <("${program[@]}" complete -- "${words[@]:first+1:cword-first-1}" "$cur" 2>/dev/null)
	return 0
}

_mimo () {
	local cur words cword __git_cmd_idx=0
	if declare -F _get_comp_words_by_ref >/dev/null; then
		_get_comp_words_by_ref -n =: cur words cword
	else
		words=("${COMP_WORDS[@]}")
		cword=$COMP_CWORD
		cur=${COMP_WORDS[COMP_CWORD]}
		if [ "$cur" = = ]; then
			cur="${words[cword - 1]}="
		elif [ "${words[cword - 1]-}" = = ]; then
			cur="${words[cword - 2]}=$cur"
		fi
	fi
	_git_mimo
}

complete -o bashdefault -o default -o nospace -F _mimo git-mimo mimo
