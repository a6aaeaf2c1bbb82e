"""Logging in and out, and setting a first password from a one-time link."""

from urllib.parse import urlsplit

from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.tokens import default_token_generator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import get_script_prefix, reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode, urlsafe_base64_decode, urlsafe_base64_encode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from lunary_dash.errors import error_page
from projects import limits
from projects.forms import NewPasswordForm, SignInForm
from projects.models import Account
from projects.shell import server_address


@sensitive_post_parameters("password")
@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Show the log-in form and check it; 429 when the e-mail or the address failed too often."""
    if getattr(request, "htmx", None):
        return HttpResponseClientRedirect(_address_for_expired_session(request))
    target = safe_next(request, request.POST.get("next") or request.GET.get("next"))
    if request.user.is_authenticated:
        return redirect(target)
    form = SignInForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        email, password = form.cleaned_data["email"], form.cleaned_data["password"]
        try:
            attempt = limits.begin(email, limits.address_of(request))
        except limits.TooManyTries as refusal:
            return _too_many_tries(request, refusal.seconds)
        account = authenticate(request, username=email.lower(), password=password)
        if account is not None:
            attempt.succeeded()
            login(request, account)
            return redirect(target)
        form.add_error(None, "E-mail and password don’t fit.")
    return render(
        request, "registration/login.html", {"form": form, "next": target}, status=422 if form.errors else 200
    )


@login_not_required
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    logout(request)
    return redirect("login")


@sensitive_post_parameters("new_password")
@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def set_password(request: HttpRequest, account_code: str, token: str) -> HttpResponse:
    """Let the holder of a one-time link choose a password; the link dies with its first use and after three days."""
    account = _account_of(account_code)
    if account is None or not default_token_generator.check_token(account, token):
        return render(request, "registration/link_used.html", status=404)
    form = NewPasswordForm(account, request.POST or None)
    if request.method == "POST" and form.is_valid():
        account.set_password(form.cleaned_data["new_password"])
        account.save(update_fields=["password"])
        login(request, account, backend="django.contrib.auth.backends.ModelBackend")
        return redirect("home")
    context = {"form": form, "account": account}
    return render(request, "registration/set_password.html", context, status=422 if form.errors else 200)


def password_link(request: HttpRequest, account: Account) -> str:
    """Return the address where the account's owner sets a password, once."""
    code = urlsafe_base64_encode(str(account.pk).encode())
    token = default_token_generator.make_token(account)
    return server_address(request) + reverse("set_password", args=[code, token]).removeprefix(get_script_prefix()[:-1])


def safe_next(request: HttpRequest, target: str | None) -> str:
    """Return where to go afterwards: an address of this site, else the home page."""
    hosts = {request.get_host()}
    if target and url_has_allowed_host_and_scheme(target, hosts, require_https=request.is_secure()):
        return target
    return reverse("home")


def _address_for_expired_session(request: HttpRequest) -> str:
    """Return the log-in page that leads back to the page htmx was working on, not to the fragment it asked for."""
    page = urlsplit(request.headers.get("HX-Current-URL", ""))
    back = page.path + (f"?{page.query}" if page.query else "")
    return f"{reverse('login')}?{urlencode({'next': safe_next(request, back)})}"


def _too_many_tries(request: HttpRequest, seconds: int) -> HttpResponse:
    minutes = -(-seconds // 60)
    wait = f"{minutes} minutes" if minutes > 1 else "a minute"
    response = error_page(request, 429, f"Too many log-ins failed. Wait {wait}, then try again.")
    response["Retry-After"] = str(seconds)
    return response


def _account_of(code: str) -> Account | None:
    try:
        return Account.objects.filter(pk=int(urlsafe_base64_decode(code))).first()
    except (ValueError, OverflowError, Http404):
        return None
